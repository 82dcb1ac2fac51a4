# Makes firth_facts.json: Rscript tests/stats/firth_facts.R > tests/stats/firth_facts.json
# R 4.2; brglm2 0.9 (r-cran-brglm2) for coefficients and errors. logistf is not in Debian: its profile tests and intervals
# are found here from their definition, with nleqslv and uniroot to machine precision. The endometrial data (Heinze &
# Schemper 2002) are brglm2's, the others glm_data.csv.
suppressMessages({library(brglm2); library(nleqslv); library(jsonlite)})
d <- read.csv("tests/stats/glm_data.csv", stringsAsFactors = TRUE)
tight <- brglmControl(epsilon = 1e-14, maxit = 10000, type = "AS_mean")
penalised <- function(X, y, offset) {
  parts <- function(b) {
    mu <- plogis(drop(X %*% b) + offset)
    list(mu = mu, w = mu * (1 - mu), I = crossprod(X * sqrt(mu * (1 - mu))))
  }
  list(
    value = function(b) {
      e <- drop(X %*% b) + offset
      sum(y * plogis(e, log.p = TRUE) + (1 - y) * plogis(-e, log.p = TRUE)) + determinant(parts(b)$I)$modulus[[1]] / 2
    },
    score = function(b) {
      p <- parts(b)
      h <- p$w * rowSums((X %*% solve(p$I)) * X)
      drop(crossprod(X, y - p$mu + h * (0.5 - p$mu)))
    },
    information = function(b) parts(b)$I)
}
# The highest place with the coefficients `held` at `at`: the root of the score in units of standard errors.
held <- function(f, held, at, start) {
  free <- setdiff(seq_along(start), held)
  full <- function(b) { all <- start; all[held] <- at; all[free] <- b; all }
  if (length(free) == 0) return(full(numeric(0)))
  U <- chol(solve(f$information(full(start[free]))[free, free]))
  at_step <- function(z) full(start[free] + drop(t(U) %*% z))
  near <- optim(rep(0, length(free)), function(z) -f$value(at_step(z)), function(z) -drop(U %*% f$score(at_step(z))[free]),
                method = "BFGS", control = list(reltol = 1e-12, maxit = 1000))$par
  found <- nleqslv(near, function(z) drop(U %*% f$score(at_step(z))[free]), method = "Newton",
                   global = "dbldog", control = list(xtol = 1e-15, ftol = 1e-14, maxit = 2000))
  if (max(abs(found$fvec)) > 1e-9) stop(paste("no root", max(abs(found$fvec)), found$message))
  at_step(found$x)
}
bound <- function(f, best, j, se, side, level = 0.95) {
  target <- f$value(best) - qchisq(level, 1) / 2
  start <- best
  fall <- function(v) { start <<- held(f, j, v, start); f$value(start) - target }
  far <- best[j] + side * se
  near <- best[j]
  while (fall(far) > 0) { near <- far; far <- far + side * se }
  uniroot(fall, sort(c(near, far)), tol = 1e-14, maxiter = 1000)$root
}
one <- function(name, formula, data, note = NULL) {
  m <- glm(formula, family = binomial, data = data, method = "brglmFit", control = tight)
  X <- model.matrix(m); y <- m$y; offset <- if (is.null(m$offset)) rep(0, length(y)) else m$offset
  f <- penalised(X, y, offset)
  best <- held(f, integer(0), numeric(0), coef(m))
  stopifnot(max(abs(best - coef(m))) < 1e-8)
  se <- sqrt(diag(solve(f$information(best))))
  stopifnot(max(abs(se / sqrt(diag(vcov(m))) - 1)) < 1e-7)
  slopes <- which(colnames(X) != "(Intercept)")
  null <- held(f, slopes, rep(0, length(slopes)), ifelse(seq_along(best) %in% slopes, 0, best))
  terms <- lapply(seq_along(best), function(j) {
    zero <- held(f, j, 0, best)
    chi <- 2 * (f$value(best) - f$value(zero))
    list(coef = best[[j]], brglm2 = coef(m)[[j]], se = se[[j]], chisq = chi, p = pchisq(chi, 1, lower.tail = FALSE),
         lower = bound(f, best, j, se[[j]], -1), upper = bound(f, best, j, se[[j]], 1))
  })
  list(name = name, formula = paste(deparse(formula), collapse = " "), terms = setNames(terms, colnames(X)),
       loglik = f$value(best), null_loglik = f$value(null))
}
data("endometrial", package = "brglm2")
quasi <- within(d, yes <- ifelse(g == "c", 1, yes))
few <- within(d[seq(1, 240, 10), ], yes <- as.numeric(x > 0.1))
out <- list(
  one("logit", yes ~ x + g, d),
  one("offset", yes ~ x + g + offset(log(time)), d),
  one("no intercept", yes ~ 0 + x + year, transform(d, year = year)),
  one("frequency", yes ~ x + g, d[rep(seq_len(nrow(d)), d$copies), ]),
  one("quasi", yes ~ x + g, quasi),
  one("few", yes ~ x + dose, few),
  one("endometrial", HG ~ NV + PI + EH, endometrial))
out[[length(out) + 1]] <- list(name = "endometrial data", columns = as.list(endometrial))
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "\n")
