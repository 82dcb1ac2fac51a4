# Makes competing_facts.json: Rscript tests/stats/competing_facts.R > tests/stats/competing_facts.json   (R 4.2, survival 3.5-3, cmprsk 2.2-11)
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})
d <- survival::mgus2
d$time <- with(d, ifelse(pstat == 0, futime, ptime))
d$status <- factor(with(d, ifelse(pstat == 0, 2 * death, 1)), 0:2, labels = c("censored", "pcm", "death"))
d$old <- cut(d$age, c(0, 60, 75, 200), right = FALSE, labels = c("young", "middle", "old"))
d$early <- factor(ifelse(d$dxyr < 1980, "before", "after"), c("before", "after"))
curves <- function(name, fit) {
  s <- summary(fit)
  strata <- if (is.null(s$strata)) rep("all", length(s$time)) else as.character(s$strata)
  part <- function(x, k) x[, k]
  list(name = name, call = paste(deparse(fit$call), collapse = " "), group = strata, time = s$time,
    causes = lapply(c(pcm = 2, death = 3), function(k)
      list(incidence = part(s$pstate, k), se = part(s$std.err, k), lower = part(s$lower, k), upper = part(s$upper, k))))
}
test <- function(name, fit) list(name = name, call = paste(deparse(fit), collapse = " "), tests = {
  t <- eval(fit)$Tests; lapply(c(pcm = 1, death = 2), function(k) list(statistic = t[k, "stat"], p = t[k, "pv"], df = t[k, "df"])) })
facts <- list(
  curves = list(
    curves("all", survfit(Surv(time, status) ~ 1, data = d)),
    curves("sex", survfit(Surv(time, status) ~ sex, data = d)),
    curves("log-log", survfit(Surv(time, status) ~ old, data = d, conf.type = "log-log")),
    curves("plain", survfit(Surv(time, status) ~ sex, data = d, conf.type = "plain", conf.int = 0.9))),
  tests = list(
    test("sex", quote(cuminc(d$time, d$status, d$sex, cencode = "censored"))),
    test("age", quote(cuminc(d$time, d$status, d$old, cencode = "censored"))),
    test("rho", quote(cuminc(d$time, d$status, d$old, cencode = "censored", rho = 1))),
    test("strata", quote(cuminc(d$time, d$status, d$old, d$early, cencode = "censored")))))
cat(toJSON(facts, auto_unbox = TRUE, digits = 15, na = "null"))
