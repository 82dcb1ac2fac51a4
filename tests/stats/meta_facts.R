# Makes meta_facts.json: Rscript tests/stats/meta_facts.R > tests/stats/meta_facts.json   (R, metafor 3.8-1)
suppressMessages({library(metafor); library(jsonlite)})
sets <- list(
  bcg = list(yi = c(-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173),
             sei = c(0.5706, 0.4411, 0.6445, 0.1415, 0.2261, 0.0831, 0.4722, 0.0629, 0.2376, 0.2702, 0.1115, 0.7298, 0.2669)),
  four = list(yi = c(0.031, 0.055, 0.012, 0.044), sei = c(0.011, 0.016, 0.02, 0.013)),
  alike = list(yi = c(0.50, 0.52, 0.49), sei = c(0.1, 0.2, 0.15)),
  apart = list(yi = c(-3, 4, 10, 0.5), sei = c(0.1, 0.2, 0.15, 1)),
  two = list(yi = c(0.1, 0.9), sei = c(0.2, 0.3)))
one <- function(set, method, test) {
  m <- rma(yi = set$yi, sei = set$sei, method = method, test = test,
           control = list(threshold = 1e-15, maxiter = 10000, tau2.init = NULL))
  p <- suppressWarnings(predict(m, pi.type = "riley"))
  list(method = method, test = test, estimates = set$yi, standard_errors = set$sei, b = c(m$beta), se = m$se,
       lower = m$ci.lb, upper = m$ci.ub, p = m$pval, tau2 = m$tau2, tau2_se = m$se.tau2, q = m$QE, q_p = m$QEp,
       i2 = m$I2, h2 = m$H2, pi_lower = p$pi.lb, pi_upper = p$pi.ub, weights = weights(m))
}
fixed <- function(set) {
  m <- rma(yi = set$yi, sei = set$sei, method = "FE")
  list(method = "FE", test = "z", estimates = set$yi, standard_errors = set$sei, b = c(m$beta), se = m$se,
       lower = m$ci.lb, upper = m$ci.ub, p = m$pval, weights = weights(m))
}
out <- list()
for (name in names(sets)) {
  for (method in c("REML", "DL")) for (test in c("adhoc", "z")) out[[length(out) + 1]] <- c(name = name, one(sets[[name]], method, test))
  out[[length(out) + 1]] <- c(name = name, fixed(sets[[name]]))
}
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "\n")
