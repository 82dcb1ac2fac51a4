# Makes smd_facts.json: Rscript tests/stats/smd_facts.R > tests/stats/smd_facts.json   (R, MASS, jsonlite)
# Yang and Dalton (2012), equation for a multinomial variable: all levels but the first, mean covariance.
suppressMessages({library(MASS); library(jsonlite)})
pairs <- list(list(c(10, 20, 30), c(25, 20, 15)), list(c(5, 5, 40, 50), c(20, 30, 25, 25)), list(c(50, 50), c(30, 70)))
smd <- function(a, b) {
  p <- (a / sum(a))[-1]; q <- (b / sum(b))[-1]
  s <- (diag(p, length(p)) - p %o% p + diag(q, length(q)) - q %o% q) / 2
  sqrt(c(t(p - q) %*% ginv(s) %*% (p - q)))
}
cat(toJSON(lapply(pairs, function(x) list(first = x[[1]], second = x[[2]], smd = smd(x[[1]], x[[2]]))), digits = I(17), auto_unbox = TRUE), "\n")
