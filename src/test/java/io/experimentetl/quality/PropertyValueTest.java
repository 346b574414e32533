package io.experimentetl.quality;

import static io.experimentetl.quality.PropertyValue.NONE;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PropertyValueTest {
  private static long[] values(String properties) {
    return PropertyValue.of(properties, new String[] {"a", "b", "c"});
  }

  @Test
  void allValuesComeFromOnePass() {
    assertThat(values("{\"c\": 3, \"x\": {\"a\": 9}, \"a\": 0.5}"))
        .containsExactly(500_000, NONE, 3_000_000);
  }

  @Test
  void lastValueOfARepeatedKeyCountsAsInPostgres() {
    assertThat(values("{\"a\": \"text\", \"a\": 1, \"b\": 2, \"b\": 3}"))
        .containsExactly(1_000_000, 3_000_000, NONE);
  }

  @Test
  void badValueLeavesTheOthers() {
    assertThat(values("{\"a\": 1e1000000000, \"b\": -1, \"c\": 4}"))
        .containsExactly(NONE, NONE, 4_000_000);
  }

  @Test
  void longNumbersAndDeepValuesLeaveTheOthers() {
    String deep = "[".repeat(100_000) + "]".repeat(100_000);
    assertThat(
            values(
                "{\"b\": 2, \"x\": %s, \"a\": %s, \"%s\": 1, \"c\": 3}"
                    .formatted(deep, "9".repeat(131_072), "k".repeat(60_000))))
        .containsExactly(NONE, 2_000_000, 3_000_000);
  }

  @Test
  void allDecimalsOfALongNumberAreRead() {
    assertThat(
            values(
                "{\"a\": 999999999999.%s, \"b\": 0.%s1}"
                    .formatted("9".repeat(16_000), "0".repeat(16_000))))
        .containsExactly(999_999_999_999_999_999L, 0, NONE);
    assertThat(values("{\"a\": 1000000000000, \"b\": 999999999999}"))
        .containsExactly(NONE, 999_999_999_999_000_000L, NONE);
  }

  @Test
  void textThatIsNoObjectHasNoValues() {
    assertThat(values(null)).containsExactly(NONE, NONE, NONE);
    assertThat(values("[1]")).containsExactly(NONE, NONE, NONE);
  }
}
