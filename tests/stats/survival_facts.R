# Makes survival_facts.json: Rscript tests/stats/survival_facts.R > tests/stats/survival_facts.json   (R 4.2, survival 3.5-3)
suppressMessages({library(survival); library(jsonlite)})
colon <- subset(survival::colon, etype == 2 & !is.na(nodes) & !is.na(differ))
heart <- survival::heart; heart$transplant <- as.integer(heart$transplant == 1)
veteran <- survival::veteran
curves <- function(name, fit) {
  s <- summary(fit)  # at the times of events; between them nothing changes
  strata <- if (is.null(s$strata)) rep("all", length(s$time)) else as.character(s$strata)
  list(name = name, call = paste(deparse(fit$call), collapse = " "),
    points = list(group = strata, time = s$time, survival = s$surv, se = s$std.err, lower = s$lower,
      upper = s$upper, hazard = s$cumhaz, hazard_se = s$std.chaz, events = s$n.event))
}
test <- function(name, call) {
  t <- eval(call)
  list(name = name, call = paste(deparse(call), collapse = " "), statistic = t$chisq, df = length(t$n) - 1,
    observed = if (is.matrix(t$obs)) rowSums(t$obs) else t$obs, expected = if (is.matrix(t$exp)) rowSums(t$exp) else t$exp)
}
mean_of <- function(name, fit, tau) {
  t <- summary(fit, rmean = tau)$table
  t <- if (is.matrix(t)) t else t(as.matrix(t))
  list(name = name, tau = tau, value = unname(t[, "rmean"]), se = unname(t[, "se(rmean)"]))
}
plain <- survfit(Surv(time, status) ~ 1, data = colon)
arms <- survfit(Surv(time, status) ~ rx, data = colon)
loglog <- survfit(Surv(time, status) ~ rx, data = colon, conf.type = "log-log")
linear <- survfit(Surv(time, status) ~ rx, data = colon, conf.type = "plain", conf.int = 0.9)
late <- survfit(Surv(start, stop, event) ~ transplant, data = heart)
facts <- list(
  curves = list(curves("colon", plain), curves("colon arms", arms),
    curves("colon log-log", loglog), curves("colon plain", linear), curves("heart late", late)),
  tests = list(
    test("logrank", quote(survdiff(Surv(time, status) ~ rx, data = colon))),
    test("peto", quote(survdiff(Surv(time, status) ~ rx, data = colon, rho = 1))),
    test("half", quote(survdiff(Surv(time, status) ~ rx, data = colon, rho = 0.5))),
    test("strata", quote(survdiff(Surv(time, status) ~ rx + strata(differ), data = colon))),
    test("veteran", quote(survdiff(Surv(time, status) ~ celltype, data = veteran)))),
  means = list(mean_of("colon", plain, 1000), mean_of("arms", arms, 2000), mean_of("late", late, 500)))
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, na = "null"))
