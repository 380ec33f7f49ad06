"""The page that answers: results/report.html, made of a study's tables and figures."""
