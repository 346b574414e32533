package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.EventId;
import org.junit.jupiter.api.Test;

class EventFactSerializerTest {
  private static final EventId ID = new EventId(1, 2, null);

  private static EventFact event(String fact, int properties) {
    String[] names = new String[properties];
    long[] values = new long[properties];
    for (int i = 0; i < properties; i++) {
      names[i] = "property" + i;
      values[i] = 1_000_000L * i;
    }
    return new EventFact(ID, 10, 20, "purchase", 30, names, values, FactMark.NONE, fact);
  }

  @Test
  void eventsOfAnyTableAreReadAsTheyWereWritten() {
    EventFact[] sameId = {event(null, 0), event(null, 2), event("orders", 0), event("orders", 2)};
    assertThat(EventFactSerializer.read(ID, EventFactSerializer.write(sameId)))
        .usingRecursiveComparison()
        .isEqualTo(sameId);
  }

  @Test
  void onlyEventsOfATableOfMetricEventsTakeBytesForItsName() {
    int occurredAtVariantTypeContentMark = 8 + 2 + 10 + 8 + 1;
    assertThat(EventFactSerializer.write(new EventFact[] {event(null, 0)}))
        .hasSize(2 + occurredAtVariantTypeContentMark + 1);
    assertThat(EventFactSerializer.write(new EventFact[] {event("orders", 0)}))
        .hasSize(2 + occurredAtVariantTypeContentMark + 2 + 8);
  }
}
