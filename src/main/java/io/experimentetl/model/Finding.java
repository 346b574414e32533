package io.experimentetl.model;

/**
 * One inconsistency. Its identity is (code, subject): the same again replaces it, and {@code open =
 * false} closes it.
 *
 * @param subject what it is about, with kind and key: {@code event:ID@MICROS}, {@code
 *     assignment:ID}, {@code user:EXPERIMENT/USER} …
 * @param experimentId 0: none
 * @param userId null: none
 * @param eventId null: none
 * @param detail one plain sentence for this case; never a row's payload
 * @param observedAt commit time of the change that showed it, microseconds since 1970 in UTC
 * @param lsn the LSN of that change; 0 in the snapshot
 * @param version grows with every statement about the same subject
 */
public record Finding(
    FindingCode code,
    String subject,
    boolean open,
    long experimentId,
    String userId,
    EventId eventId,
    String detail,
    long observedAt,
    long lsn,
    long version) {}
