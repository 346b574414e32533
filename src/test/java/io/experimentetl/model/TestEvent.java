package io.experimentetl.model;

import java.util.HashMap;
import java.util.Map;

/**
 * Builds events for tests. A column that is not named is NULL, so that a new column changes no
 * test.
 */
public final class TestEvent {
  private final Map<String, Object> values = new HashMap<>();

  private TestEvent() {}

  public static TestEvent of(
      EventId id, long occurredAt, long experimentId, String userId, String eventType) {
    return new TestEvent()
        .with("id", id)
        .with("timestamp", occurredAt)
        .with("experiment_id", experimentId)
        .with("user_id", userId)
        .with("event_type", eventType);
  }

  public static TestEvent copyOf(EventRow event) {
    TestEvent copy = new TestEvent();
    EventRow.COLUMNS.all().forEach(column -> copy.with(column.name(), column.of(event)));
    return copy;
  }

  public TestEvent with(String column, Object value) {
    values.put(column, value);
    return this;
  }

  public EventRow row() {
    return EventRow.COLUMNS.read(column -> values.get(column.name()));
  }
}
