package io.experimentetl.attribution;

import io.experimentetl.model.VariantRow;

/** A variant as the join needs it; a record of broadcast state. */
public record VariantDimension(
    long id, long experimentId, String key, String name, double allocation, boolean control) {

  public static VariantDimension of(VariantRow row) {
    return new VariantDimension(
        row.id(), row.experimentId(), row.key(), row.name(), row.allocation(), row.control());
  }
}
