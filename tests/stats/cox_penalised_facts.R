# Makes cox_penalised_facts.json: Rscript tests/stats/cox_penalised_facts.R > tests/stats/cox_penalised_facts.json
# (R 4.2, survival 3.5-3). Nodes are dealt by a remainder. Ridge is survival's own; Firth's penalised likelihood is
# climbed here from coxph's likelihood, score and information, since no package of Debian has it.
suppressMessages({library(survival); library(jsonlite)})
colon <- subset(survival::colon, etype == 2 & !is.na(nodes) & !is.na(differ)); colon$node <- colon$id %% 4
veteran <- survival::veteran; veteran$node <- seq_len(nrow(veteran)) %% 4
heart <- survival::heart; heart$node <- heart$id %% 3; heart$surgery <- as.integer(heart$surgery)
heart$transplant <- as.integer(heart$transplant == 1)
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)

ridged <- function(name, call) {
  m <- eval(call)
  names(m$coefficients) <- sub("ridge\\((.*)\\)", "\\1", names(coef(m)))
  list(name = name, call = paste(deparse(call), collapse = " "), coef = as.list(coef(m)), se = sqrt(diag(m$var)),
    se2 = sqrt(diag(m$var2)), loglik = m$loglik, df = sum(m$df))
}
ridge_facts <- list(
  ridged("veteran", quote(coxph(Surv(time, status) ~ ridge(trt, karno, diagtime, age, theta = 3) + strata(node), data = veteran, control = tight))),
  ridged("colon", quote(coxph(Surv(time, status) ~ ridge(age, sex, nodes, extent, theta = 20) + strata(node), ties = "breslow", data = colon, control = tight))),
  ridged("heart", quote(coxph(Surv(start, stop, event) ~ ridge(age, year, surgery, transplant, theta = 5) + strata(node), data = heart, control = tight))),
  ridged("pooled veteran", quote(coxph(Surv(time, status) ~ ridge(trt, karno, diagtime, age, theta = 3), data = veteran, control = tight))))

firth <- function(name, formula, data, ties = "efron") {
  environment(formula) <- environment()  # residuals() looks there for the data
  at <- function(b) {
    m <- coxph(formula, data, ties = ties, init = b, control = coxph.control(iter.max = 0))
    list(value = m$loglik[2] + 0.5 * as.numeric(determinant(solve(m$var))$modulus), information = solve(m$var),
      score = colSums(as.matrix(residuals(m, type = "score"))))
  }
  half <- function(b) 0.5 * as.numeric(determinant(at(b)$information)$modulus)
  slope <- function(b, j) { # four-point differences at two widths, extrapolated
    d <- function(h) { e <- replace(0 * b, j, h); (8 * (half(b + e) - half(b - e)) - (half(b + 2 * e) - half(b - 2 * e))) / (12 * h) }
    h <- 0.02 / sqrt(at(b)$information[j, j])
    (16 * d(h / 2) - d(h)) / 15
  }
  climb <- function(b, free) {
    for (i in 1:60) {
      p <- at(b)
      u <- p$score + sapply(seq_along(b), function(j) slope(b, j))
      s <- 0 * b
      if (any(free)) s[free] <- solve(p$information[free, free, drop = FALSE], u[free])
      if (sum(abs(s) * sqrt(diag(p$information))) < 1e-11) break
      b <- b + s
    }
    list(b = b, value = at(b)$value, information = at(b)$information)
  }
  p <- ncol(at0 <- coxph(formula, data, ties = ties, control = coxph.control(iter.max = 0))$var)
  names0 <- names(coef(coxph(formula, data, ties = ties, control = coxph.control(iter.max = 0))))
  best <- climb(rep(0, p), rep(TRUE, p))
  error <- sqrt(diag(solve(best$information)))
  drop <- function(j, value) { s <- best$b; s[j] <- value; 2 * (best$value - climb(s, seq_len(p) != j)$value) }
  end <- function(j, side) uniroot(function(v) drop(j, v) - qchisq(0.95, 1), best$b[j] + side * error[j] * c(0.5, 6), extendInt = "yes", tol = 1e-10)$root
  list(name = name, call = paste(deparse(formula), collapse = " "), coef = as.list(setNames(best$b, names0)), se = error,
    loglik = c(at(rep(0, p))$value, best$value), chi2 = sapply(1:p, function(j) drop(j, 0)),
    lower = sapply(1:p, function(j) end(j, -1)), upper = sapply(1:p, function(j) end(j, 1)))
}
firth_facts <- list(
  firth("veteran", Surv(time, status) ~ trt + karno + age + strata(node), veteran),
  firth("veteran breslow", Surv(time, status) ~ trt + karno + age + strata(node), veteran, "breslow"),
  firth("heart", Surv(start, stop, event) ~ age + surgery + transplant + strata(node), heart))
cat(toJSON(list(ridge = ridge_facts, firth = firth_facts), auto_unbox = TRUE, digits = NA, pretty = TRUE))
