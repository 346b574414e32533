SELECT sequence_number, printf('%X/%X', toUInt32(intDiv(lsn, 4294967296)), toUInt32(lsn % 4294967296)) AS lsn,
    formatDateTime(committed_at, '%F %T') AS committed_at, snapshot_done, lag_seconds
FROM etl_progress
