package io.experimentetl.mapping;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.EventId;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.junit.jupiter.api.Test;

class EntityNumberTest {

  @Test
  void integerIsItsOwnNumber() {
    for (long number : new long[] {0, -1, 42, Long.MAX_VALUE, Long.MIN_VALUE}) {
      assertThat(EntityNumber.of(SourceTable.EXPERIMENTS, Long.toString(number))).isEqualTo(number);
    }
    for (String text :
        List.of("", "-", "-0", "007", "+1", "1.0", "9223372036854775808", "-9223372036854775809")) {
      assertThat(EntityNumber.isInteger(text)).as(text).isFalse();
    }
  }

  /** Computed by PostgreSQL with the expression of the documentation. */
  @Test
  void textHasAStableNumber() {
    assertThat(EntityNumber.of(SourceTable.EXPERIMENTS, "checkout-button"))
        .isEqualTo(NUMBER_OF_CHECKOUT_BUTTON);
    assertThat(EntityNumber.of(SourceTable.VARIANTS, "checkout-button"))
        .isNotEqualTo(NUMBER_OF_CHECKOUT_BUTTON);
    assertThat(EntityNumber.of(SourceTable.EXPERIMENTS, "größe")).isPositive();
  }

  private static final long NUMBER_OF_CHECKOUT_BUTTON = 1956787897301296979L;

  @Test
  void keyOfSeveralPartsNeverMeetsAnother() {
    assertThat(KeyText.of(List.of("User", "42"))).isEqualTo("User:42");
    assertThat(KeyText.of(List.of("a:b", "c"))).isEqualTo("a\\:b:c");
    assertThat(KeyText.of(List.of("a", "b:c"))).isEqualTo("a:b\\:c");
    assertThat(KeyText.of(List.of("a\\", "b"))).isEqualTo("a\\\\:b");
    assertThat(KeyText.of(List.of("a\\:b"))).isNotEqualTo(KeyText.of(List.of("a\\", "b")));
  }

  @Test
  void eventsOfTwoTablesHaveDifferentIds() {
    EventId exposure = EventId.ofEntry("exposures", "5");
    assertThat(exposure.sourceId()).isEqualTo("exposures:5");
    assertThat(exposure).isNotEqualTo(EventId.of("5")).isNotEqualTo(EventId.ofEntry("orders", "5"));
    assertThat(exposure.uuid().version()).isEqualTo(5);
    assertThat(EventId.of("exposures:5")).isNotEqualTo(exposure);
  }
}
