package io.experimentetl.audit;

import io.experimentetl.model.Subject;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.HashSet;
import java.util.Set;

/**
 * The rows of a table that the job could not deliver according to its findings, open or dismissed.
 * They are missing in ClickHouse and are not differences.
 */
final class UndeliverableRows {
  private final AuditedTable table;

  /** Keys; for an event with an unreadable time only the id. */
  private final Set<String> keys = new HashSet<>();

  UndeliverableRows(AuditedTable table, Warehouse warehouse) {
    this.table = table;
    warehouse.read(
        "SELECT subject_key, ifNull(source_id, toString(event_id)) AS own_id FROM data_inconsistencies FINAL"
            + " WHERE dead_letter_since IS NOT NULL AND status IN ('OPEN', 'DISMISSED') AND subject_kind = '"
            + table.subjectKind().text()
            + "'",
        row -> keys.add(normalised(sourceKey(row.getString(1), row.getString(2)))));
  }

  /** The key with an event's own id, as the comparison writes it. */
  private String sourceKey(String subjectKey, String ownId) {
    Subject subject = new Subject(table.subjectKind(), subjectKey);
    return ownId == null ? subject.key() : subject.keyWithId(ownId);
  }

  boolean contain(String key) {
    int separator = key.lastIndexOf('@');
    return keys.contains(key) || (separator > 0 && keys.contains(key.substring(0, separator)));
  }

  /**
   * A finding names an event's time in microseconds or, where the time could not be read, as it was
   * sent.
   */
  private String normalised(String key) {
    int separator = key.lastIndexOf('@');
    if (table != AuditedTable.EVENTS || separator < 0) {
      return key;
    }
    String time = key.substring(separator + 1);
    if (time.matches("-?\\d+")) {
      return key;
    }
    try {
      Instant instant = OffsetDateTime.parse(time).toInstant();
      return key.substring(0, separator + 1)
          + (instant.getEpochSecond() * 1_000_000 + instant.getNano() / 1_000);
    } catch (DateTimeParseException e) {
      return key.substring(0, separator);
    }
  }
}
