package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LongMapTest {
  @Test
  void holdsWhatAMapOfBoxedKeysHolds() {
    Random random = new Random(14);
    LongMap<String> map = new LongMap<>();
    Map<Long, String> expected = new HashMap<>();
    for (int i = 0; i < 20_000; i++) {
      // Few keys, so that they are removed and put again; some in steps, as Snowflake ids are.
      long key = random.nextBoolean() ? random.nextInt(60) : (long) random.nextInt(60) << 22;
      if (random.nextInt(3) == 0) {
        assertThat(map.remove(key)).isEqualTo(expected.remove(key));
      } else {
        map.put(key, "v" + i);
        expected.put(key, "v" + i);
      }
      assertThat(map.get(key)).isEqualTo(expected.get(key));
      assertThat(map.containsKey(key)).isEqualTo(expected.containsKey(key));
    }
    expected.forEach((key, value) -> assertThat(map.get(key)).isEqualTo(value));
    assertThat(map.values()).containsExactlyInAnyOrderElementsOf(expected.values());
  }

  @Test
  void anyNumberIsAKey() {
    LongMap<String> map = new LongMap<>();
    map.put(0, "zero");
    map.put(Long.MIN_VALUE, "least");
    map.put(-1, "minus one");

    assertThat(map.get(0)).isEqualTo("zero");
    assertThat(map.get(Long.MIN_VALUE)).isEqualTo("least");
    assertThat(map.remove(-1)).isEqualTo("minus one");
    assertThat(map.get(-1)).isNull();
    assertThat(map.get(1)).isNull();
  }
}
