# Makes fine_gray_facts.json: Rscript tests/stats/fine_gray_facts.R > tests/stats/fine_gray_facts.json
# (R 4.2, survival 3.5-3). The data sets are the package's own; nodes are dealt by a remainder. Each person is a cluster.
suppressMessages({library(survival); library(jsonlite)})
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
m <- subset(survival::mgus2, !is.na(mspike))
m$etime <- with(m, ifelse(pstat == 0, futime, ptime))
m$event <- factor(with(m, ifelse(pstat == 0, 2 * death, 1)), 0:2, labels = c("censored", "pcm", "death"))
m$node <- m$id %% 4
m <- m[, c("id", "age", "sex", "mspike", "etime", "event", "node")]
t <- subset(survival::transplant, !is.na(age) & futime > 0)
t$status <- factor(as.character(t$event), c("censored", "ltx", "death", "withdraw"))
t$id <- seq_len(nrow(t)); t$node <- t$id %% 3
t <- t[, c("id", "age", "sex", "abo", "futime", "status", "node")]
one <- function(name, wide, covariates, ties = "efron") {
  fit <- coxph(as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", covariates, "+ strata(node)")), wide, weights = fgwt,
    cluster = id, ties = ties, control = tight)
  z <- function(kind) apply(cox.zph(fit, transform = kind)$table, 1, as.list)
  list(name = name, coef = as.list(coef(fit)), se = sqrt(diag(vcov(fit))), naive = sqrt(diag(fit$naive.var)),
    loglik = fit$loglik, identity = z("identity"))
}
facts <- list(
  one("mgus pcm", finegray(Surv(etime, event) ~ . + strata(node), m, etype = "pcm"), "age + sex + mspike"),
  one("mgus death", finegray(Surv(etime, event) ~ . + strata(node), m, etype = "death"), "age + sex + mspike"),
  one("mgus pcm breslow", finegray(Surv(etime, event) ~ . + strata(node), m, etype = "pcm"), "age + sex + mspike", "breslow"),
  one("mgus strata", finegray(Surv(etime, event) ~ . + strata(node, sex), m, etype = "pcm"), "age + mspike + strata(sex)"),
  one("transplant ltx", finegray(Surv(futime, status) ~ . + strata(node), t, etype = "ltx"), "age + sex + abo"),
  one("transplant death", finegray(Surv(futime, status) ~ . + strata(node), t, etype = "death"), "age + sex + abo"))
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, pretty = TRUE))
