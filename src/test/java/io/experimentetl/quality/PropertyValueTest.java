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
  void firstValueOfARepeatedKeyCounts() {
    assertThat(values("{\"a\": \"text\", \"a\": 1, \"b\": 2, \"b\": 3}"))
        .containsExactly(NONE, 2_000_000, NONE);
  }

  @Test
  void badValueLeavesTheOthers() {
    assertThat(values("{\"a\": 1e1000000000, \"b\": -1, \"c\": 4}"))
        .containsExactly(NONE, NONE, 4_000_000);
  }

  @Test
  void valuesAfterUnreadableTextAreMissing() {
    assertThat(values("{\"b\": 2, \"a\": " + "9".repeat(2_000) + ", \"c\": 3}"))
        .containsExactly(NONE, 2_000_000, NONE);
  }

  @Test
  void textThatIsNoObjectHasNoValues() {
    assertThat(values(null)).containsExactly(NONE, NONE, NONE);
    assertThat(values("[1]")).containsExactly(NONE, NONE, NONE);
  }
}
