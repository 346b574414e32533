SELECT key, id
FROM experiments FINAL
ORDER BY positionCaseInsensitiveUTF8(key, {experiment:String}) > 0 DESC,
    ngramDistanceCaseInsensitiveUTF8(concat(key, ' ', name), {experiment:String}), key
LIMIT 5
