package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.EventId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Few entries are in the experiment's record, many are entries of keyed state. */
class FactEntriesTest {
  private static final int MAX_BYTES = 20;

  private final KeptUsers state = new KeptUsers();
  private final Entries<EventId> stored = state.events("u1", 1);
  private FactEntries<EventId> entries = entries(FactEntries.NO_BYTES, false);

  private FactEntries<EventId> entries(byte[] inRecord, boolean isStored) {
    return new FactEntries<>(stored, EntriesSerializer.EVENTS, MAX_BYTES, inRecord, isStored);
  }

  private void restart() {
    entries = entries(entries.inRecord(), entries.isStored());
  }

  private static EventId id(int number) {
    return new EventId(7, number, null);
  }

  private void put(int number, byte[] entry) {
    entries.write(List.of(new WrittenEntry<>(id(number), entry)));
  }

  private Map<EventId, byte[]> all() {
    Map<EventId, byte[]> all = new HashMap<>();
    entries.forEach(all::put);
    return all;
  }

  @Test
  void fewEntriesAreInTheRecord() {
    put(1, new byte[] {1});
    put(2, new byte[19]);
    restart();

    assertThat(state.isEmpty()).isTrue();
    assertThat(entries.get(id(1))).containsExactly(1);
    assertThat(entries.get(id(3))).isNull();
    assertThat(all()).containsOnlyKeys(id(1), id(2));
  }

  @Test
  void manyEntriesLeaveTheRecord() {
    put(1, new byte[] {1});
    put(2, new byte[19]);
    put(3, new byte[] {3});
    assertThat(entries.inRecord()).isEmpty();
    restart();

    assertThat(entries.get(id(1))).containsExactly(1);
    assertThat(all()).containsOnlyKeys(id(1), id(2), id(3));
    put(1, null);
    assertThat(entries.get(id(1))).isNull();
    assertThat(all()).containsOnlyKeys(id(2), id(3));
  }

  @Test
  void replacedAndRemovedEntriesMakeRoomInTheRecord() {
    put(1, new byte[20]);
    put(1, new byte[10]);
    restart();
    put(2, new byte[10]);
    put(1, null);
    put(3, new byte[10]);

    assertThat(state.isEmpty()).isTrue();
    assertThat(all()).containsOnlyKeys(id(2), id(3));
  }

  @Test
  void clearedEntriesAreFewAgain() {
    put(1, new byte[21]);
    assertThat(state.isEmpty()).isFalse();
    entries.clear();
    assertThat(state.isEmpty()).isTrue();

    put(2, new byte[] {2});
    restart();
    assertThat(state.isEmpty()).isTrue();
    assertThat(all()).containsOnlyKeys(id(2));
  }

  @Test
  void anyEventsAreFoundAfterAnyChanges() {
    Random random = new Random(14);
    Map<EventId, Byte> expected = new HashMap<>();
    entries =
        new FactEntries<>(stored, EntriesSerializer.EVENTS, 1_000, FactEntries.NO_BYTES, false);
    for (int i = 0; i < 5_000; i++) {
      EventId id = new EventId(random.nextInt(8), random.nextInt(8), null);
      boolean isRemoved = random.nextInt(3) == 0;
      byte contents = (byte) random.nextInt();
      entries.write(List.of(new WrittenEntry<>(id, isRemoved ? null : new byte[] {contents})));
      if (isRemoved) {
        expected.remove(id);
      } else {
        expected.put(id, contents);
      }
      if (random.nextInt(20) == 0) {
        entries =
            new FactEntries<>(
                stored, EntriesSerializer.EVENTS, 1_000, entries.inRecord(), entries.isStored());
      }
      EventId any = new EventId(random.nextInt(8), random.nextInt(8), null);
      byte[] found = entries.get(any);
      assertThat(found == null ? null : Byte.valueOf(found[0])).isEqualTo(expected.get(any));
    }
  }

  @Test
  void changesAreAllThatWasWritten() {
    put(1, new byte[] {1});
    byte[] before = entries.inRecord();
    assertThat(entries.takeChanges()).isEqualTo(before);

    put(2, new byte[] {2});
    put(1, new byte[] {7, 7});
    byte[] changes = entries.takeChanges();
    Map<EventId, byte[]> now = all();
    entries = entries(before, false);
    entries.apply(changes);

    assertThat(all().keySet()).isEqualTo(now.keySet());
    now.forEach((id, entry) -> assertThat(all().get(id)).isEqualTo(entry));
    assertThat(entries.takeChanges()).isEmpty();
  }

  @Test
  void removedAndManyEntriesAreNoChangesOfTheRecord() {
    put(1, new byte[] {1});
    assertThat(entries.takeChanges()).isNotEmpty();
    put(1, null);
    assertThat(entries.takeChanges()).isNull();
    put(2, new byte[21]);
    assertThat(entries.takeChanges()).isNull();
    put(3, new byte[] {3});
    assertThat(entries.takeChanges()).isEmpty();
  }

  @Test
  void recordThatWasReadStaysAsItWas() {
    put(1, new byte[] {1});
    byte[] read = entries.inRecord();
    byte[] copy = read.clone();
    entries = entries(read, false);
    put(1, new byte[] {5});
    assertThat(read).isEqualTo(copy);

    byte[] written = entries.inRecord();
    byte[] copyOfWritten = written.clone();
    put(1, new byte[] {6});
    assertThat(written).isEqualTo(copyOfWritten);
  }
}
