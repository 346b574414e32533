-- The experiment of this key, else of this id.
SELECT id, key, name, status, formatDateTime(starts_at, '%F %R') AS starts_at, formatDateTime(ends_at, '%F %R') AS ends_at, ifNull(config, '') AS config
FROM experiments FINAL
WHERE key = {experiment:String} OR toString(id) = {experiment:String}
ORDER BY key = {experiment:String} DESC
LIMIT 1
