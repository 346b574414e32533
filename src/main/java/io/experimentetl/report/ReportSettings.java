package io.experimentetl.report;

import io.experimentetl.clickhouse.ClickHouseConnection;

/**
 * Where the views are.
 *
 * @param clickhouse its user may SELECT from the views and what they read; a read-only profile is
 *     enough
 * @param defaultZone IANA name of the zone of days, for experiments whose config names none; null:
 *     not known here
 */
public record ReportSettings(ClickHouseConnection clickhouse, String defaultZone) {}
