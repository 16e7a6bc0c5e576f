# Orthant probabilities by mvtnorm, one request a line: method, setting, d, d * d entries in hex.
# Answers up to three values, joined by commas, seconds a call, and what the package says of
# them.  Times are those of the process; quick calls are repeated.
suppressPackageStartupMessages(library(mvtnorm))
input <- file("stdin", "r")
cat("ready", as.character(packageVersion("mvtnorm")), "\n")
repeat {
  line <- readLines(input, n = 1)
  if (length(line) == 0) break
  words <- strsplit(line, " ")[[1]]
  setting <- as.numeric(words[2])
  d <- as.integer(words[3])
  sigma <- matrix(as.numeric(words[-(1:3)]), d, d)
  lower <- rep(0, d)
  upper <- rep(Inf, d)
  algorithm <- switch(words[1],
    "Genz-Bretz" = GenzBretz(maxpts = setting, abseps = 1e-15, releps = 0),
    "Miwa" = Miwa(steps = setting),
    "TVPACK" = TVPACK(abseps = setting))
  call <- function() pmvnorm(lower, upper, corr = sigma, algorithm = algorithm)
  answer <- tryCatch({
    set.seed(1)
    before <- proc.time()
    value <- call()
    seconds <- sum((proc.time() - before)[1:2])
    if (seconds < 0.01) {
      repeats <- 20
      before <- proc.time()
      values <- replicate(repeats, call()[1])
      seconds <- sum((proc.time() - before)[1:2]) / repeats
      values <- values[1:3]
    } else values <- value
    c(paste(sprintf("%.17g", values), collapse = ","), sprintf("%.3g", seconds), gsub(" ", "_", attr(value, "msg")))
  }, error = function(e) c("NaN", "0", gsub("\\s+", "_", conditionMessage(e))))
  cat(answer, "\n")
  flush(stdout())
}
