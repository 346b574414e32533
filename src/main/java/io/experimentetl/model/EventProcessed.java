package io.experimentetl.model;

/**
 * A row of {@code events_processed}: the event as the source has it, with its references.
 *
 * @param dayEpoch days since 1970-01-01 of the event in the experiment's zone
 * @param inconsistencies violations and unresolved references of the row, in the order of {@link
 *     FindingCode}
 */
public record EventProcessed(
    EventRow event,
    String experimentKey,
    String experimentName,
    String variantKey,
    String variantName,
    Long assignedVariantId,
    String assignedVariantKey,
    String userProperties,
    int dayEpoch,
    FindingCode[] inconsistencies,
    RowVersion version) {

  public EventProcessed withVersion(RowVersion other) {
    return new EventProcessed(
        event,
        experimentKey,
        experimentName,
        variantKey,
        variantName,
        assignedVariantId,
        assignedVariantKey,
        userProperties,
        dayEpoch,
        inconsistencies,
        other);
  }
}
