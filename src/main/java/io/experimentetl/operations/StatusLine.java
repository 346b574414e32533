package io.experimentetl.operations;

import java.util.Map;

/**
 * A server, the job, or the warehouse's progress, as {@code status} shows it.
 *
 * @param name e.g. {@code PostgreSQL}
 * @param text for people; the cause when it is not healthy
 * @param values for programs: numbers, texts and booleans by name
 */
public record StatusLine(String name, boolean healthy, String text, Map<String, Object> values) {}
