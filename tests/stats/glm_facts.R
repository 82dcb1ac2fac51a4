# Makes glm_facts.json: Rscript tests/stats/glm_facts.R > tests/stats/glm_facts.json   (R 4.2, sandwich)
# glm_data.csv is generated (numpy, default_rng(20)); 240 rows, five sites.
suppressMessages({library(sandwich); library(splines); library(jsonlite)})
d <- read.csv("tests/stats/glm_data.csv", stringsAsFactors = TRUE)
tight <- glm.control(epsilon = 1e-14, maxit = 200)
one <- function(name, family, call, robust = FALSE) {
  m <- eval(call)
  # R takes its standard errors from the weights before the last step: start again where it ended
  for (again in 1:3) if (!anyNA(coef(m))) { call$start <- coef(m); m <- eval(call) }
  s <- coef(summary(m))
  column <- function(i) setNames(as.list(s[, i]), rownames(s))
  call$start <- NULL
  found <- list(name = name, call = paste(deparse(call), collapse = " "), coef = as.list(coef(m)),
    se = column(2), statistic = column(3), p = column(4), deviance = deviance(m),
    null_deviance = m$null.deviance, df = m$df.residual, df_null = m$df.null, aic = AIC(m), bic = BIC(m),
    loglik = as.numeric(logLik(m)), dispersion = summary(m)$dispersion)
  if (robust) for (kind in c("HC0", "HC1", "HC2", "HC3"))
    found[[kind]] <- as.list(sqrt(diag(vcovHC(m, type = kind))))
  found
}
models <- list(
  one("gaussian", "gaussian", quote(glm(level ~ x + g, data = d, control = tight)), TRUE),
  one("gaussian log", "gaussian", quote(glm(level ~ x + g, family = gaussian("log"), data = d, control = tight)), TRUE),
  one("gaussian inverse", "gaussian", quote(glm(level ~ x + g, family = gaussian("inverse"), data = d, control = tight))),
  one("gaussian precision", "gaussian", quote(glm(level ~ x + g, weights = precision, data = d, control = tight)), TRUE),
  one("gaussian no intercept", "gaussian", quote(glm(level ~ g + x - 1, data = d, control = tight)), TRUE),
  one("gaussian squares", "gaussian", quote(glm(level ~ dose + I(dose^2) + year, data = d, control = tight))),
  one("gaussian interaction", "gaussian", quote(glm(level ~ x * g, data = d, control = tight))),
  one("gaussian spline", "gaussian", quote(glm(level ~ ns(x, knots = c(-0.5, 0.5), Boundary.knots = c(-2, 2)), data = d, control = tight))),
  one("gaussian poly", "gaussian", quote(glm(level ~ poly(year, 3) + x, data = d, control = tight))),
  one("gaussian sites", "gaussian", quote(glm(level ~ site + x + g, data = d, control = tight)), TRUE),
  one("logit", "binomial", quote(glm(yes ~ x + g, family = binomial, data = d, control = tight)), TRUE),
  one("logit frequency", "binomial", quote(glm(yes ~ x + g, family = binomial, data = d[rep(seq_len(nrow(d)), d$copies), ], control = tight)), TRUE),
  one("gaussian frequency", "gaussian", quote(glm(level ~ x + g, data = d[rep(seq_len(nrow(d)), d$copies), ], control = tight)), TRUE),
  one("probit", "binomial", quote(glm(yes ~ x + g, family = binomial("probit"), data = d, control = tight)), TRUE),
  one("cloglog", "binomial", quote(glm(yes ~ x + g, family = binomial("cloglog"), data = d, control = tight))),
  one("log binomial", "binomial", quote(glm(yes ~ g, family = binomial("log"), data = d, control = tight))),
  one("logit sites", "binomial", quote(glm(yes ~ site + x + g, family = binomial, data = d, control = tight)), TRUE),
  one("logit no intercept", "binomial", quote(glm(yes ~ 0 + x + year, family = binomial, data = d, control = tight))),
  one("poisson", "poisson", quote(glm(events ~ x + g, family = poisson, data = d, control = tight)), TRUE),
  one("poisson offset", "poisson", quote(glm(events ~ x + g + offset(log(time)), family = poisson, data = d, control = tight)), TRUE),
  one("poisson identity", "poisson", quote(glm(events ~ g + time, family = poisson("identity"), data = d, start = c(1, 0, 0, 0.3), control = tight))),
  one("poisson identity no intercept", "poisson", quote(glm(events ~ 0 + time, family = poisson("identity"), data = d, control = tight))),
  one("poisson sites", "poisson", quote(glm(events ~ site + x + g + offset(log(time)), family = poisson, data = d, control = tight)), TRUE),
  one("gamma", "gamma", quote(glm(cost ~ g, family = Gamma, data = d, control = tight)), TRUE),
  one("gamma log", "gamma", quote(glm(cost ~ x + g, family = Gamma("log"), data = d, control = tight)), TRUE),
  one("gamma identity", "gamma", quote(glm(cost ~ g, family = Gamma("identity"), data = d, control = tight))),
  one("gamma log precision", "gamma", quote(glm(cost ~ x + g, family = Gamma("log"), weights = precision, data = d, control = tight))),
  one("gamma log sites", "gamma", quote(glm(cost ~ site + x + g, family = Gamma("log"), data = d, control = tight)), TRUE),
  one("gamma sites", "gamma", quote(glm(cost ~ site + g, family = Gamma, data = d, control = tight))),
  one("aliased", "gaussian", quote(glm(level ~ x + I(2 * x + 1) + g, data = d))))
cat(toJSON(models, digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
