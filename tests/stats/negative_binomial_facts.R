# Makes negative_binomial_facts.json: Rscript tests/stats/negative_binomial_facts.R > tests/stats/negative_binomial_facts.json
# R 4.2, MASS 7.3-58.2. glm.nb stops at the square root of a deviance's change, so that it is started again where it
# ended until nothing changes.
suppressMessages({library(MASS); library(jsonlite)})
d <- read.csv("tests/stats/glm_data.csv", stringsAsFactors = TRUE)
tight <- glm.control(epsilon = 1e-15, maxit = 1000)
# theta by Newton's method on theta.ml's own score, to the last digit
sharp <- function(y, mu, w, theta) {
  for (i in 1:50) {
    s <- sum(w * (digamma(theta + y) - digamma(theta) + log(theta) + 1 - log(theta + mu) - (y + theta) / (mu + theta)))
    h <- sum(w * (-trigamma(theta + y) + trigamma(theta) - 1 / theta + 2 / (mu + theta) - (y + theta) / (mu + theta)^2))
    theta <- theta + s / h
  }
  list(theta = theta, se = 1 / sqrt(h))
}
one <- function(name, formula, data) {
  m <- glm.nb(formula, data = data, control = tight)
  theta <- m$theta; start <- coef(m); w <- rep(1, nrow(data))
  for (i in 1:300) {
    g <- glm(formula, data = data, family = negative.binomial(theta), start = start, control = tight)
    found <- sharp(g$y, fitted(g), w, theta)
    theta <- found$theta; start <- coef(g)
  }
  stopifnot(abs(theta / m$theta - 1) < 1e-5, max(abs(coef(g) - coef(m))) < 1e-5)
  s <- coef(summary(g, dispersion = 1))
  column <- function(i) setNames(as.list(s[, i]), rownames(s))
  ll <- sum(dnbinom(g$y, size = theta, mu = fitted(g), log = TRUE))
  poisson <- glm(formula, data = data, family = poisson, control = tight)
  list(name = name, formula = paste(deparse(formula), collapse = " "), coef = column(1), se = column(2), p = column(4),
       theta = theta, theta_se = found$se, glm_nb_theta = m$theta, glm_nb_theta_se = m$SE.theta, deviance = deviance(g),
       null_deviance = g$null.deviance, loglik = ll, aic = -2 * ll + 2 * (length(coef(g)) + 1), df = g$df.residual,
       lr = 2 * (ll - as.numeric(logLik(poisson))))
}
out <- list(
  one("counts", events ~ x + g, d),
  one("offset", events ~ x + g + offset(log(time)), d),
  one("frequency", events ~ x + g, d[rep(seq_len(nrow(d)), d$copies), ]),
  one("sites", events ~ site + x + g + offset(log(time)), d),
  one("no intercept", events ~ 0 + g + x, d),
  one("quine", Days ~ Eth + Sex + Lrn, quine))
out[[length(out) + 1]] <- list(name = "quine data", columns = list(
  Days = quine$Days, Eth = as.integer(quine$Eth) - 1, Sex = as.integer(quine$Sex) - 1, Lrn = as.integer(quine$Lrn) - 1))
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "\n")
