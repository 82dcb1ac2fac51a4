# Makes effect_facts.json: Rscript tests/stats/effect_facts.R > tests/stats/effect_facts.json   (R 4.2, MASS 7.3-58)
# Potential means of low birth weight and of birth weight by smoking: M-estimation written out in base R. The models
# are those of glm(); the propensity model's with an intercept for each race in half of them, as if races were nodes; the equations' derivatives are exact (complex steps), so that errors carry full precision.
suppressMessages({library(MASS); library(jsonlite)})
b <- MASS::birthwt
x <- cbind(1, b$age, b$lwt / 100, b$ht); t <- b$smoke
tight <- glm.control(epsilon = 1e-15, maxit = 100)
expit <- function(z) 1 / (1 + exp(-z))
psi <- function(theta, y, binary, estimand, estimator, z) {
  j <- ncol(z); k <- ncol(x); e <- expit(z %*% theta[1:j]); m <- NULL
  link <- if (binary) expit else identity
  rest <- theta[-(1:j)]
  own <- list(c(t - e) * z)
  m <- matrix(0, nrow(x), 2)
  if (estimator != "weighting") {
    for (a in 0:1) { eta <- x %*% rest[a * k + 1:k]; m[, a + 1] <- link(eta); own <- c(own, list(c((t == a) * (y - link(eta))) * x)) }
    rest <- rest[-(1:(2 * k))]
  }
  h <- switch(estimand, ATE = 1 + 0 * e, ATT = t + 0 * e, ATO = e * (1 - e))
  w <- cbind((1 - t) * switch(estimand, ATE = 1 / (1 - e), ATT = e / (1 - e), ATO = e), t * switch(estimand, ATE = 1 / e, ATT = 1 + 0 * e, ATO = 1 - e))
  ends <- sapply(1:2, function(a) switch(estimator,
    weighting = w[, a] * (y - rest[a]), standardisation = h * (m[, a] - rest[a]),
    aipw = w[, a] * (y - m[, a]) + h * (m[, a] - rest[a])))
  do.call(cbind, c(own, list(ends)))
}
one <- function(outcome, estimand, estimator, node) {
  z <- if (node == "intercepts") cbind(model.matrix(~ factor(race) - 1, b), x[, -1]) else x
  y <- b[[outcome]]; binary <- outcome == "low"
  family <- if (binary) binomial() else gaussian()
  theta <- coef(glm(t ~ z - 1, family = binomial(), control = tight))
  if (estimator != "weighting") for (a in 0:1) theta <- c(theta, coef(glm(y ~ x - 1, family = family, subset = t == a, control = tight)))
  # the means are linear in their equations: two evaluations solve them
  k <- length(theta); at <- function(mu) colSums(psi(c(theta, mu), y, binary, estimand, estimator, z))[k + 1:2]
  mu <- at(c(0, 0)) / (at(c(0, 0)) - at(c(1, 1)))
  full <- unname(c(theta, mu)); p <- psi(full, y, binary, estimand, estimator, z)
  A <- sapply(seq_along(full), function(j) { moved <- as.complex(full); moved[j] <- moved[j] + 1e-30i
    Im(colSums(psi(moved, y, binary, estimand, estimator, z))) / 1e-30 })
  V <- solve(A) %*% crossprod(p) %*% base::t(solve(A)); V <- V[k + 1:2, k + 1:2]
  list(node = node, outcome = outcome, estimand = estimand, estimator = estimator, means = mu, errors = sqrt(diag(V)),
    difference = mu[2] - mu[1], error = sqrt(V[1, 1] + V[2, 2] - 2 * V[1, 2]))
}
facts <- list()
for (outcome in c("low", "bwt")) for (estimand in c("ATE", "ATT", "ATO")) for (estimator in c("weighting", "standardisation", "aipw"))
  for (node in c("common", if (estimator != "standardisation") "intercepts")) facts <- c(facts, list(one(outcome, estimand, estimator, node)))
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, pretty = TRUE))
