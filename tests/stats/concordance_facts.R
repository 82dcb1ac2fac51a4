# Facts for test_cox_concordance.py (R 4, package survival). Rscript concordance_facts.R > concordance_facts.json
suppressMessages({library(survival); library(jsonlite)})
colon <- subset(colon, etype == 2 & !is.na(nodes) & !is.na(differ))
rotterdam$copies <- 1 + rotterdam$pid %% 3
one <- function(name, data, formula, ...) {
  data$.. <- NULL
  fit <- eval(substitute(coxph(F, data = D, control = coxph.control(eps = 1e-12, toler.chol = 1e-13), ...), list(F = formula, D = data)))
  plain <- concordance(fit)
  # R has no such weights with late entry
  uno <- tryCatch(concordance(fit, timewt = "n/G2"), error = function(e) list(concordance = NA, var = NA))
  list(name = name, value = unname(plain$concordance), se = unname(sqrt(plain$var)), uno = unname(uno$concordance), uno_se = unname(sqrt(uno$var)))
}
w <- function(fit) unname(concordance(fit)$concordance)
facts <- list(
  one("few values", colon, Surv(time, status) ~ rx + sex),
  one("strata", colon, Surv(time, status) ~ rx + sex + strata(differ)),
  one("late entry", heart, Surv(start, stop, event) ~ surgery + transplant),
  one("many values", colon, Surv(time, status) ~ rx + age + sex + nodes),
  list(name = "copies", value = w(coxph(Surv(dtime, death) ~ meno + hormon + size, weights = copies, data = rotterdam))))
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, pretty = TRUE))
