-- Daily cost by project and model
SELECT day, project_name, model, rows, sum_cost, sum_input_tokens, sum_output_tokens FROM daily_costs_mv ORDER BY ALL;

-- Traces by project and user
SELECT project_name, user_email, count() FROM traces FINAL GROUP BY ALL ORDER BY ALL;

-- Scores by project
SELECT project_name, name, count(), sum(value) FROM scores FINAL GROUP BY ALL ORDER BY ALL;

-- Rows of unknown projects and users
SELECT kind, id, unknown FROM unknown_references ORDER BY ALL;

-- The same, as findings
SELECT subject, toUInt64(splitByChar(' ', detail)[1]) AS rows FROM findings_open WHERE code = 'R-ORPHAN-LOOKUP' ORDER BY subject;
