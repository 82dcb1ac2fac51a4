# Facts for test_control_arm_reference.py: the treated of the GBSG trial against node-positive Rotterdam patients who got
# no hormones (R 4, package survival). Rscript control_arm_facts.R > control_arm_facts.json
suppressMessages({library(survival); library(jsonlite)})
g <- subset(gbsg, hormon == 1)
r <- subset(rotterdam, nodes > 0 & hormon == 0)
d <- rbind(
  data.frame(given = 1, age = g$age, meno = g$meno, nodes = g$nodes, grade3 = 1 * (g$grade == 3), time = g$rfstime, event = g$status),
  data.frame(given = 0, age = r$age, meno = r$meno, nodes = r$nodes, grade3 = 1 * (r$grade == 3),
    time = ifelse(r$recur == 1, r$rtime, r$dtime), event = pmax(r$recur, r$death)))
d$week <- round(d$time / 7)
X <- cbind(1, d$age, d$meno, log(d$nodes), d$grade3)
score <- function(a) 1 / (1 + exp(-X %*% a)[, 1])
weigh <- function(a, estimand) { e <- score(a); t <- d$given
  switch(estimand, ATT = t + (1 - t) * e / (1 - e), ATO = t * (1 - e) + (1 - t) * e, ATE = t / e + (1 - t) / (1 - e)) }
# the score of a weighted Cox model of the arm, for complex weights, too
U <- function(b, w, time, ties) {
  total <- 0
  for (s in sort(unique(time[d$event == 1]))) {
    risk <- time >= s; dead <- time == s & d$event == 1; n <- sum(dead)
    h <- w * exp(b * d$given); S0 <- sum(h[risk]); S1 <- sum((h * d$given)[risk]); D0 <- sum(h[dead]); D1 <- sum((h * d$given)[dead])
    j <- if (ties == "efron") (seq_len(n) - 1) / n else rep(0, n)
    total <- total + sum((w * d$given)[dead]) - sum(w[dead]) / n * sum((S1 - j * D1) / (S0 - j * D0))
  }
  total
}
rmst <- function(w, time, arm, tau) {
  keep <- d$given == arm; w <- w[keep]; t <- time[keep]; e <- d$event[keep]
  s <- sort(unique(t[e == 1 & t < tau])); S <- 1; area <- s[1]
  for (i in seq_along(s)) { S <- S * (1 - sum(w[t == s[i] & e == 1]) / sum(w[t >= s[i]]))
    area <- area + S * ((if (i < length(s)) s[i + 1] else tau) - s[i]) }
  area
}
one <- function(estimand, unit, ties, tau) {
  time <- d[[unit]]
  a <- coef(glm(given ~ age + meno + log(nodes) + grade3, binomial, d, control = list(epsilon = 1e-14, maxit = 50)))
  w <- weigh(a, estimand); e <- score(a)
  fit <- coxph(Surv(time, d$event) ~ d$given, weights = w, robust = TRUE, ties = ties, control = coxph.control(eps = 1e-13, iter.max = 60))
  b <- unname(coef(fit)); info <- 1 / fit$naive.var[1, 1]
  n <- nrow(d); h <- 1e-30; s <- (d$given - e) * X; A <- crossprod(X * sqrt(e * (1 - e)))
  # derivatives by the propensity's coefficients: complex steps
  cw <- function(j) { z <- as.complex(a); z[j] <- z[j] + 1i * h; weigh(z, estimand) }
  by <- function(f) sapply(1:5, function(j) Im(f(cw(j))) / h)
  z <- as.vector(residuals(fit, type = "score")) * w
  IF <- (z + as.vector(s %*% solve(A, by(function(v) U(b, v, time, ties))))) / info
  mean_of <- function(arm) {
    f <- function(v) rmst(v, time, arm, tau)
    own <- numeric(n); for (i in which(d$given == arm)) { v <- as.complex(w); v[i] <- v[i] + 1i * h; own[i] <- w[i] * Im(f(v)) / h }
    list(value = f(w), IF = own + as.vector(s %*% solve(A, by(f))))
  }
  m0 <- mean_of(0); m1 <- mean_of(1)
  km <- survfit(Surv(time, d$event) ~ d$given, weights = w, robust = TRUE, id = seq_len(n))
  at <- summary(km, times = unname(quantile(time[d$event == 1], c(.2, .5))))
  list(estimand = estimand, unit = unit, ties = ties, tau = tau, coef = b, naive = sqrt(fit$var[1, 1]), se = sqrt(sum(IF^2)),
    controls = m0$value, controls_se = sqrt(sum(m0$IF^2)), treated = m1$value, treated_se = sqrt(sum(m1$IF^2)),
    difference_se = sqrt(sum((m1$IF - m0$IF)^2)), ratio_se = sqrt(sum((m1$IF / m1$value - m0$IF / m0$value)^2)),
    effective = c(sum(w[d$given == 0])^2 / sum(w[d$given == 0]^2), sum(w[d$given == 1])^2 / sum(w[d$given == 1]^2)),
    strata = as.character(at$strata), at = at$time, survival = at$surv, error = at$std.err)
}
facts <- list()
for (estimand in c("ATT", "ATO", "ATE")) facts <- c(facts, list(one(estimand, "week", "efron", 250)))
facts <- c(facts, list(one("ATT", "week", "breslow", 150)), list(one("ATT", "time", "efron", 1500)))
cat(toJSON(facts, auto_unbox = TRUE, digits = NA, pretty = TRUE))
