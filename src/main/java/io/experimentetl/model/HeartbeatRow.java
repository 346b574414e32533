package io.experimentetl.model;

/**
 * A row of {@code etl_heartbeat}.
 *
 * @param writer who wrote it: {@code source} or a fence's name
 * @param beatAt microseconds since 1970 in UTC, the server's clock
 */
public record HeartbeatRow(String writer, long beatAt) implements SourceRow {}
