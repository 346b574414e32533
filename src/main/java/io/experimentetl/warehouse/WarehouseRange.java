package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;

/**
 * PostgreSQL's timestamps reach further than ClickHouse's: a row with one beyond them can't be
 * written.
 */
public final class WarehouseRange {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  private WarehouseRange() {}

  /** The first column whose time lies outside, or null. */
  public static String columnOutside(SourceRow row) {
    if (row instanceof EventRow event) {
      return fits(event.occurredAt())
          ? fits(event.assignmentAt()) ? null : "assignment_at"
          : "timestamp";
    }
    if (row instanceof AssignmentRow assignment) {
      if (!fits(assignment.assignedAt())) {
        return "assigned_at";
      }
      if (!fits(assignment.enrolledAt())) {
        return "enrolled_at";
      }
      return columnOutside(assignment.createdAt(), assignment.updatedAt());
    }
    if (row instanceof ExperimentRow experiment) {
      if (!fits(experiment.startsAt())) {
        return "starts_at";
      }
      if (!fits(experiment.endsAt())) {
        return "ends_at";
      }
      return columnOutside(experiment.createdAt(), experiment.updatedAt());
    }
    if (row instanceof VariantRow variant) {
      return columnOutside(variant.createdAt(), variant.updatedAt());
    }
    return row instanceof UserRow user ? columnOutside(user.createdAt(), user.updatedAt()) : null;
  }

  /** Whether the key itself can't be written: nothing of such a row can be in the warehouse. */
  public static boolean isKeyOutside(SourceRow row) {
    return row instanceof EventRow event && !fits(event.occurredAt());
  }

  /**
   * The row for a tombstone: of times beyond the range only the key is kept.
   *
   * @param instead of a required time beyond it, microseconds since 1970 in UTC
   */
  public static SourceRow within(SourceRow row, long instead) {
    if (columnOutside(row) == null) {
      return row;
    }
    if (row instanceof EventRow event) {
      return new EventRow(
          event.id(),
          event.occurredAt(),
          event.experimentId(),
          event.userId(),
          event.variantId(),
          event.eventType(),
          null,
          event.properties(),
          event.sessionId(),
          event.requestId());
    }
    if (row instanceof AssignmentRow assignment) {
      return new AssignmentRow(
          assignment.id(),
          assignment.experimentId(),
          assignment.userId(),
          assignment.variantId(),
          assignment.version(),
          assignment.source(),
          assignment.context(),
          within(assignment.assignedAt(), instead),
          null,
          instead,
          instead);
    }
    if (row instanceof ExperimentRow experiment) {
      return new ExperimentRow(
          experiment.id(),
          experiment.key(),
          experiment.name(),
          experiment.description(),
          experiment.status(),
          experiment.seed(),
          experiment.version(),
          experiment.config(),
          null,
          null,
          instead,
          instead);
    }
    if (row instanceof VariantRow variant) {
      return new VariantRow(
          variant.id(),
          variant.experimentId(),
          variant.key(),
          variant.name(),
          variant.description(),
          variant.allocationPct(),
          variant.control(),
          variant.config(),
          instead,
          instead);
    }
    UserRow user = (UserRow) row;
    return new UserRow(
        user.userId(),
        user.email(),
        user.name(),
        user.properties(),
        user.active(),
        instead,
        instead);
  }

  private static long within(long micros, long instead) {
    return fits(micros) ? micros : instead;
  }

  private static String columnOutside(long createdAt, long updatedAt) {
    if (!fits(createdAt)) {
      return "created_at";
    }
    return fits(updatedAt) ? null : "updated_at";
  }

  /** A day is left on either side: in its zone the day of a time may be another. */
  private static boolean fits(Long micros) {
    return micros == null
        || (RowBinaryWriter.fitsDateTime64(micros - MICROS_PER_DAY)
            && RowBinaryWriter.fitsDateTime64(micros + MICROS_PER_DAY));
  }
}
