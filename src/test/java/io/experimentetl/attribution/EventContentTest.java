package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.TestEvent;
import org.junit.jupiter.api.Test;

class EventContentTest {
  private static TestEvent event() {
    return TestEvent.of(EventId.of("e"), 1, 2, "u", "purchase");
  }

  /** An update of a column without a trace in the hash would not reach the warehouse. */
  @Test
  void everyNonKeyColumnChangesTheContent() {
    long content = EventContent.of(event().row());
    for (SourceColumn<EventRow> column : EventRow.COLUMNS.all()) {
      Object other =
          switch (column.type()) {
            case BIGINT, TIMESTAMP -> 7L;
            case EVENT_ID -> EventId.of("other");
            default -> "other";
          };
      long changed = EventContent.of(event().with(column.name(), other).row());
      if (column.isKey()) {
        assertThat(changed).as(column.name()).isEqualTo(content);
      } else {
        assertThat(changed).as(column.name()).isNotEqualTo(content);
      }
    }
  }
}
