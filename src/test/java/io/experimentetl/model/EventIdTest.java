package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Locale;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EventIdTest {
  private static final String UUID_TEXT = "6f0c2c8e-0000-4000-8000-00000000abcd";

  @Test
  void uuidKeepsItsBits() {
    EventId id = EventId.of(UUID_TEXT);
    assertThat(id.uuid()).isEqualTo(UUID.fromString(UUID_TEXT));
    assertThat(id.sourceId()).isNull();
    assertThat(id).hasToString(UUID_TEXT);
    assertThat(id.text()).isEqualTo(UUID_TEXT);
  }

  /** So that an audit can compare it with the source's text. */
  @Test
  void uuidInUpperCaseKeepsItsBitsAndItsText() {
    String text = UUID_TEXT.toUpperCase(Locale.ROOT);
    EventId id = EventId.of(text);
    assertThat(id).isEqualTo(EventId.of(UUID_TEXT));
    assertThat(id.sourceId()).isEqualTo(text);
    assertThat(id.text()).isEqualTo(UUID_TEXT);
  }

  /** Expected values from Python's {@code uuid.uuid5}. */
  @ParameterizedTest
  @CsvSource({
    "e1, 37a332e8-2243-5109-8d35-b33508c465c9",
    "Bestellung-ü, 2c84f17a-1a5b-50a4-b7c9-9da6076fd47f",
  })
  void anyOtherIdBecomesUuidOfVersionFive(String text, String uuid) {
    EventId id = EventId.of(text);
    assertThat(id).hasToString(uuid);
    assertThat(id.sourceId()).isEqualTo(text);
    assertThat(id.uuid().version()).isEqualTo(5);
    assertThat(id.uuid().variant()).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "1-2-3-4-5",
        "6f0c2c8e000040008000000000000abcd",
        "{6f0c2c8e-0000-4000-8000-00000000abcd}",
        "+f0c2c8e-0000-4000-8000-00000000abcd",
        "6f0c2c8e-0000-4000-8000-00000000abc\uFF11",
      })
  void textOfAnotherFormIsNoUuid(String text) {
    assertThat(EventId.of(text).sourceId()).isEqualTo(text);
  }

  @Test
  void idsWithTheSameBitsAreEqual() {
    EventId id = EventId.of("e1");
    EventId read = EventId.of(id.uuid(), null);
    assertThat(read).isEqualTo(id).hasSameHashCodeAs(id);
    assertThat(EventId.of("e2")).isNotEqualTo(id);
  }
}
