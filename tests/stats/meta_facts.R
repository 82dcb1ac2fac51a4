# Makes meta_facts.json: Rscript tests/stats/meta_facts.R > tests/stats/meta_facts.json   (R, metafor 3.8-1)
suppressMessages({library(metafor); library(jsonlite)})
sets <- list(
  bcg = list(yi = c(-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173),
             sei = c(0.5706, 0.4411, 0.6445, 0.1415, 0.2261, 0.0831, 0.4722, 0.0629, 0.2376, 0.2702, 0.1115, 0.7298, 0.2669)),
  four = list(yi = c(0.031, 0.055, 0.012, 0.044), sei = c(0.011, 0.016, 0.02, 0.013)),
  alike = list(yi = c(0.50, 0.52, 0.49), sei = c(0.1, 0.2, 0.15)),
  apart = list(yi = c(-3, 4, 10, 0.5), sei = c(0.1, 0.2, 0.15, 1)),
  two = list(yi = c(0.1, 0.9), sei = c(0.2, 0.3)))
fit <- function(set, method, test, keep = rep(TRUE, length(set$yi)))
  rma(yi = set$yi[keep], sei = set$sei[keep], method = method, test = test,
      control = list(threshold = 1e-15, maxiter = 10000, tau2.init = NULL))
# As leave1out(m), which does not pass the control on.
without <- function(set, method, test) {
  one <- function(i) {
    m <- fit(set, method, test, seq_along(set$yi) != i)
    c(estimate = c(m$beta), se = m$se, lower = m$ci.lb, upper = m$ci.ub, p = m$pval, tau2 = m$tau2, i2 = m$I2, q_p = m$QEp)
  }
  if (length(set$yi) > 2) as.data.frame(t(sapply(seq_along(set$yi), one))) else list()
}
one <- function(set, method, test) {
  m <- fit(set, method, test)
  p <- suppressWarnings(predict(m, pi.type = "riley"))
  list(method = method, test = test, estimates = set$yi, standard_errors = set$sei, b = c(m$beta), se = m$se,
       lower = m$ci.lb, upper = m$ci.ub, p = m$pval, tau2 = m$tau2, tau2_se = m$se.tau2, q = m$QE, q_p = m$QEp,
       i2 = m$I2, h2 = m$H2, pi_lower = p$pi.lb, pi_upper = p$pi.ub, pi_df = p$pi.ddf, weights = weights(m),
       without = without(set, method, test))
}
fixed <- function(set) {
  m <- rma(yi = set$yi, sei = set$sei, method = "FE")
  r <- rstudent(m)
  list(method = "FE", test = "z", estimates = set$yi, standard_errors = set$sei, b = c(m$beta), se = m$se,
       lower = m$ci.lb, upper = m$ci.ub, p = m$pval, weights = weights(m),
       difference = r$resid, difference_se = r$se, difference_z = r$z, holm = p.adjust(2 * pnorm(-abs(r$z)), "holm"),
       q_parts = resid(m)^2 / m$vi)
}
egger <- function(set) {
  m <- rma(yi = set$yi, sei = set$sei, method = "FE")
  e <- regtest(m, model = "lm", predictor = "sei")
  s <- summary(e$fit)$coefficients[2, ]
  list(method = "Egger", estimates = set$yi, standard_errors = set$sei, slope = s[[1]], se = s[[2]], t = e$zval, df = e$dfs,
       p = e$pval, limit = e$est, limit_lower = e$ci.lb, limit_upper = e$ci.ub)
}
vectors <- list(
  list(coef = c(0.5, -0.2), v = matrix(c(.04, .01, .01, .09), 2)), list(coef = c(0.6, -0.1), v = matrix(c(.05, -.02, -.02, .08), 2)),
  list(coef = c(0.45, -0.4), v = matrix(c(.02, .005, .005, .03), 2)))
multivariate <- function() {
  X <- model.matrix(~ factor(rep(c("a", "b"), length(vectors))) - 1)
  m <- rma.mv(unlist(lapply(vectors, `[[`, "coef")), bldiag(lapply(vectors, `[[`, "v")), mods = ~ X - 1, method = "FE")
  list(method = "multivariate", name = "vectors", sites = vectors, b = c(m$beta), se = m$se, lower = m$ci.lb, upper = m$ci.ub)
}
out <- list()
for (name in names(sets)) {
  for (method in c("REML", "DL")) for (test in c("adhoc", "z")) out[[length(out) + 1]] <- c(name = name, one(sets[[name]], method, test))
  out[[length(out) + 1]] <- c(name = name, fixed(sets[[name]]))
}
out[[length(out) + 1]] <- c(name = "bcg", egger(sets$bcg))
out[[length(out) + 1]] <- multivariate()
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "\n")
