package io.experimentetl.attribution;

/**
 * The delivered events of one user in one experiment; a record of keyed state. The arrays are
 * parallel: index i of each belongs to one event. Flink reads and writes primitive arrays at memory
 * speed.
 *
 * @param idHigh upper half of the event's UUID
 * @param idLow lower half of the event's UUID
 * @param occurredAt microseconds since 1970 in UTC
 * @param variantId the delivered variant, or {@link EventFacts#NO_VARIANT}
 * @param content hash of the row: see {@link EventContent}
 * @param type index into {@code eventTypes}
 * @param values for every event one value per entry of {@code properties}, in millionths
 * @param marks for every event a {@link FactMark}; empty: no event has one
 */
public record EventColumns(
    long[] idHigh,
    long[] idLow,
    long[] occurredAt,
    long[] variantId,
    long[] content,
    int[] type,
    long[] values,
    String[] eventTypes,
    String[] properties,
    byte[] marks) {}
