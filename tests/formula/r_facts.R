# Reference values from R, for tests/formula. Run: Rscript tests/formula/r_facts.R > tests/formula/r_facts.json
library(splines)
options(warn = -1)
number <- function(v) ifelse(is.na(v), "null", sprintf("%.17g", v))
row <- function(v) paste0("[", paste(number(v), collapse = ", "), "]")
matrix_json <- function(m) paste0("[", paste(apply(m, 1, row), collapse = ", "), "]")
words <- function(v) paste0("[", paste(sprintf("\"%s\"", v), collapse = ", "), "]")

x <- c(23, 31.5, 40, 44, 47.25, 52, 58, 61, 66.5, 71, 79, 85)
d <- data.frame(
  x = x,
  z = c(1.5, -2, 0.25, 3, -1, 0.5, 2, -0.75, 1, -3, 0.1, 2.2),
  a = factor(rep(c("p", "q", "r"), 4)),
  b = factor(rep(c("u", "v"), each = 6)),
  y = c(0.1, 0.5, 0.2, 0.9, 1.1, 0.4, 0.8, 1.6, 1.2, 1.9, 1.4, 2.1)
)
calls <- c(
  "ns(x, knots = c(40, 55, 70), Boundary.knots = c(30, 80))",
  "ns(x, knots = 50, Boundary.knots = c(23, 85))",
  "ns(x, Boundary.knots = c(30, 80))",
  "ns(x, df = 4)",
  "ns(x, df = 5, Boundary.knots = c(20, 90))",
  "bs(x, knots = c(40, 55, 70), Boundary.knots = c(30, 80))",
  "bs(x, knots = c(40, 55), degree = 2, Boundary.knots = c(20, 90))",
  "bs(x, knots = 50, degree = 1, Boundary.knots = c(30, 80))",
  "bs(x, df = 6)",
  "bs(x, Boundary.knots = c(30, 80))",
  "poly(x, 1)",
  "poly(x, 3)",
  "poly(x, 5)"
)
basis <- function(call) {
  m <- eval(parse(text = call), d)
  coefs <- attr(m, "coefs")
  sprintf(
    "  {\"call\": \"%s\", \"knots\": %s, \"boundary\": %s, \"degree\": %s, \"alpha\": %s, \"norm2\": %s, \"values\": %s}",
    call,
    if (is.null(attr(m, "knots"))) "[]" else row(attr(m, "knots")),
    if (is.null(attr(m, "Boundary.knots"))) "[]" else row(attr(m, "Boundary.knots")),
    max(attr(m, "degree")),
    if (is.null(coefs)) "[]" else row(coefs$alpha),
    if (is.null(coefs)) "[]" else row(coefs$norm2),
    matrix_json(unclass(m))
  )
}
formulas <- c(
  "y ~ a", "y ~ a - 1", "y ~ a:b", "y ~ a * b", "y ~ a * b - a", "y ~ a + b - 1", "y ~ x + a - 1",
  "y ~ a + a:x", "y ~ a:x", "y ~ a:x - 1", "y ~ x * a", "y ~ x + a:b - 1", "y ~ (a + b + x)^2",
  "y ~ a * b * x", "y ~ a * b * x - a:b", "y ~ x:z + x:a", "y ~ log(x) + I(x^2)", "y ~ 1", "y ~ b:x:a + a", "y ~ z"
)
design <- function(f) {
  m <- model.matrix(as.formula(f), d)
  sprintf(
    "  {\"formula\": \"%s\", \"columns\": %s, \"labels\": %s, \"values\": %s}",
    f, words(colnames(m)), if (length(attr(terms(as.formula(f)), "term.labels"))) words(attr(terms(as.formula(f)), "term.labels")) else "[]",
    matrix_json(m)
  )
}
cat("{\"made_by\": \"tests/formula/r_facts.R, R ", as.character(getRversion()), "\",\n", sep = "")
cat("\"data\": {\"x\": ", row(d$x), ", \"z\": ", row(d$z), ", \"y\": ", row(d$y), ", \"a\": ", row(as.integer(d$a) - 1),
  ", \"b\": ", row(as.integer(d$b) - 1), "},\n", sep = "")
cat("\"bases\": [\n", paste(sapply(calls, basis), collapse = ",\n"), "\n],\n", sep = "")
cat("\"designs\": [\n", paste(sapply(formulas, design), collapse = ",\n"), "\n]}\n", sep = "")
