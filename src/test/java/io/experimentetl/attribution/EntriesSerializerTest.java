package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Few figures in one record: any names, numbers and sizes. */
class EntriesSerializerTest {
  private final KeptUsers state = new KeptUsers();
  private final FactEntries<FigureKey> entries = entries(FactEntries.NO_BYTES);

  /** What a restart reads: the record when it was last written whole, and the changes since. */
  private FactEntries<FigureKey> restarted = entries(FactEntries.NO_BYTES);

  private FactEntries<FigureKey> entries(byte[] inRecord) {
    return new FactEntries<>(
        state.figures("u1", 1), EntriesSerializer.FIGURES, Integer.MAX_VALUE, inRecord, false);
  }

  private void checkpoint() {
    byte[] changes = entries.takeChanges();
    if (changes == null) {
      restarted = entries(entries.inRecord());
    } else {
      restarted.apply(changes);
    }
  }

  private static FigureKey key(Random random) {
    String[] names = {"conversion", "conversions", "umsatz_über_100", "売上", "a", "m".repeat(200)};
    String name = names[random.nextInt(names.length)];
    int day = random.nextInt(3) - 1;
    long variant = random.nextBoolean() ? random.nextInt(2) : Long.MIN_VALUE + random.nextInt(2);
    return switch (random.nextInt(3)) {
      case 0 -> FigureKey.ofDay(name, variant, day);
      case 1 -> FigureKey.ofTotal(name);
      default -> FigureKey.ofEvents(day);
    };
  }

  @Test
  void anyChangesLeaveWhatAMapWouldHold() {
    Random random = new Random(14);
    Map<FigureKey, byte[]> expected = new HashMap<>();
    for (int i = 0; i < 3_000; i++) {
      Map<FigureKey, byte[]> changes = new LinkedHashMap<>();
      for (int j = random.nextInt(4); j >= 0; j--) {
        byte[] contents = new byte[random.nextInt(10) == 0 ? 300 : random.nextInt(3)];
        random.nextBytes(contents);
        changes.put(key(random), random.nextInt(3) == 0 ? null : contents);
      }
      entries.write(WrittenEntry.of(changes));
      changes.forEach(
          (key, contents) -> {
            if (contents == null) {
              expected.remove(key);
            } else {
              expected.put(key, contents);
            }
          });
      if (random.nextBoolean()) {
        checkpoint();
        assertThat(contents(restarted)).isEqualTo(contents(entries));
      }
      Map<FigureKey, byte[]> all = new HashMap<>();
      entries.forEach(all::put);
      assertThat(all.keySet()).isEqualTo(expected.keySet());
      expected.forEach(
          (key, contents) -> {
            assertThat(all.get(key)).isEqualTo(contents);
            assertThat(entries.get(key)).isEqualTo(contents);
          });
      FigureKey any = key(random);
      assertThat(entries.get(any)).isEqualTo(expected.get(any));
    }
  }

  private static Map<FigureKey, String> contents(FactEntries<FigureKey> of) {
    Map<FigureKey, String> all = new HashMap<>();
    of.forEach((key, bytes) -> all.put(key, Arrays.toString(bytes)));
    return all;
  }

  @Test
  void figuresAreReadAsTheyWereWritten() {
    Random random = new Random(14);
    for (int i = 0; i < 2_000; i++) {
      DailySums sums =
          new DailySums(
              number(random).longValue(),
              1,
              0,
              3,
              number(random),
              -1,
              1,
              number(random),
              number(random),
              number(random),
              number(random),
              number(random),
              number(random),
              number(random),
              number(random));
      FigureKey day = FigureKey.ofDay("revenue", 1, 2);
      assertThat(FigureSerializer.read(day, FigureSerializer.write(sums))).isEqualTo(sums);
      MetricTotal total =
          new MetricTotal(5, number(random), number(random), number(random), true, -3);
      FigureKey ofTotal = FigureKey.ofTotal("revenue");
      assertThat(FigureSerializer.read(ofTotal, FigureSerializer.write(total))).isEqualTo(total);
      Long events = number(random).longValue();
      FigureKey ofEvents = FigureKey.ofEvents(1);
      assertThat(FigureSerializer.read(ofEvents, FigureSerializer.write(events))).isEqualTo(events);
    }
    HealthCounts counts = new HealthCounts(1, Long.MAX_VALUE, Long.MIN_VALUE, -1);
    FigureKey health = new FigureKey('h', "0", 1, 2);
    assertThat(FigureSerializer.read(health, FigureSerializer.write(counts))).isEqualTo(counts);
  }

  private static BigInteger number(Random random) {
    BigInteger number = new BigInteger(random.nextInt(260), random);
    return switch (random.nextInt(4)) {
      case 0 -> BigInteger.ZERO;
      case 1 -> number.negate();
      case 2 -> BigInteger.ONE.shiftLeft(random.nextInt(70)).negate();
      default -> number;
    };
  }
}
