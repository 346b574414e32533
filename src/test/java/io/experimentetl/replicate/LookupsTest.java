package io.experimentetl.replicate;

import static io.experimentetl.replicate.LookupPipeline.GRACE;
import static io.experimentetl.replicate.LookupPipeline.bet;
import static io.experimentetl.replicate.LookupPipeline.event;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.TextList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LookupsTest {
  private LookupPipeline pipeline;

  private void open(boolean rewrite) throws Exception {
    pipeline = new LookupPipeline(rewrite, new Random(1));
  }

  @AfterEach
  void close() throws Exception {
    pipeline.close();
  }

  @Test
  void rowCarriesWhatItsReferencesSay() throws Exception {
    open(true);
    pipeline.write(null, event(7, "a", "70"));
    pipeline.write(null, event(8, "a", "80"));
    pipeline.write(null, bet(1, 7L, 8L, "x"));
    pipeline.deliverAll();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "70 80 x");
  }

  @Test
  void missingReferenceIsAFindingAfterTheGrace() throws Exception {
    open(true);
    pipeline.write(null, bet(1, 7L, null, "x"));
    pipeline.deliverAll();
    pipeline.pass(GRACE - 1000);
    pipeline.checkpoint();
    assertThat(pipeline.findings).isEmpty();
    pipeline.pass(2000);
    pipeline.checkpoint();
    assertThat(pipeline.findings).hasSize(1);
  }

  /** What the audit compares: every row up to the checkpoint's progress marker is there. */
  @Test
  void rowThatWaitsForItsReferenceIsVisibleWithItsCheckpoint() throws Exception {
    open(false);
    pipeline.write(null, event(8, "a", "80"));
    pipeline.write(null, bet(1, 7L, 8L, "x"));
    pipeline.deliverAll();
    assertThat(pipeline.warehouse).isEmpty();
    pipeline.checkpoint();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "null 80 x");
    pipeline.restart();
    pipeline.write(null, event(7, "a", "70"));
    pipeline.checkpoint();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "70 80 x");
    assertThat(pipeline.findings).isEmpty();
  }

  @Test
  void findingStaysOpenWhileAChangedRowWaitsAgain() throws Exception {
    open(true);
    pipeline.write(null, bet(1, 7L, null, "x"));
    pipeline.deliverAll();
    pipeline.pass(2 * GRACE);
    pipeline.checkpoint();
    pipeline.write(bet(1, 7L, null, "x"), bet(1, 7L, null, "y"));
    pipeline.checkpoint();
    pipeline.pass(2 * GRACE);
    pipeline.checkpoint();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "null null y");
    assertThat(pipeline.findings).hasSize(1);
  }

  @Test
  void noGraceEndsWhileTheSnapshotIsRead() throws Exception {
    open(true);
    pipeline.inSnapshot(true);
    pipeline.write(null, bet(1, 7L, null, "x"));
    pipeline.deliverAll();
    pipeline.pass(3 * GRACE);
    pipeline.checkpoint();
    assertThat(pipeline.findings).isEmpty();
    pipeline.inSnapshot(false);
    pipeline.pass(GRACE);
    pipeline.checkpoint();
    assertThat(pipeline.findings).hasSize(1);
  }

  @Test
  void rowIsCorrectedWhenItsReferenceComes() throws Exception {
    open(false);
    pipeline.write(null, bet(1, 7L, null, "x"));
    pipeline.deliverAll();
    pipeline.pass(2 * GRACE);
    pipeline.deliverAll();
    pipeline.write(null, event(7, "a", "70"));
    pipeline.deliverAll();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "70 null x");
  }

  @Test
  void changedReferenceRewritesItsRowsOnlyIfDeclared() throws Exception {
    for (boolean rewrite : new boolean[] {true, false}) {
      open(rewrite);
      pipeline.write(null, event(7, "a", "70"));
      pipeline.write(null, bet(1, 7L, null, "x"));
      pipeline.deliverAll();
      pipeline.write(event(7, "a", "70"), event(7, "a", "71"));
      pipeline.deliverAll();
      assertThat(pipeline.warehouse).containsEntry("bets:1", (rewrite ? "71" : "70") + " null x");
      pipeline.write(bet(1, 7L, null, "x"), bet(1, 7L, null, "y"));
      pipeline.deliverAll();
      assertThat(pipeline.warehouse).containsEntry("bets:1", "71 null y");
      pipeline.delete(ChangeKind.DELETE, event(7, "a", "71"));
      pipeline.deliverAll();
      assertThat(pipeline.warehouse).containsEntry("bets:1", (rewrite ? "null" : "71") + " null y");
      pipeline.close();
    }
    open(true);
  }

  @Test
  void changedRowIsSentOnceAndOnlyWithItsOwnReferences() throws Exception {
    for (int seed = 0; seed < 20; seed++) {
      pipeline = new LookupPipeline(true, new Random(seed));
      pipeline.write(null, event(7, "a", "70"));
      pipeline.write(null, event(8, "b", "80"));
      pipeline.write(null, bet(1, 7L, 8L, "x"));
      pipeline.deliverAll();
      pipeline.write(bet(1, 7L, 8L, "x"), bet(1, 8L, 7L, "y"));
      pipeline.deliverAll();
      assertThat(pipeline.sent).containsExactly("70 80 x", "80 70 y");
      pipeline.close();
    }
    open(true);
  }

  @Test
  void retentionKeepsWhatWasLookedUp() throws Exception {
    open(true);
    pipeline.write(null, event(7, "a", "70"));
    pipeline.write(null, bet(1, 7L, null, "x"));
    pipeline.write(null, bet(2, 7L, null, "x"));
    pipeline.deliverAll();
    pipeline.delete(ChangeKind.RETENTION_DELETE, event(7, "a", "70"));
    pipeline.delete(ChangeKind.RETENTION_DELETE, bet(2, 7L, null, "x"));
    pipeline.deliverAll();
    assertThat(pipeline.warehouse)
        .containsExactlyEntriesOf(
            new TreeMap<>(Map.of("bets:1", "70 null x", "bets:2", "70 null x kept")));
  }

  @Test
  void valueThatTheColumnCannotHoldIsNull() throws Exception {
    open(true);
    pipeline.write(null, event(7, "a", "70"));
    pipeline.write(null, event(8, "a", "80"));
    pipeline.write(null, bet(1, 7L, 8L, "x"));
    // The reference itself is a dead letter, and its rows keep its last values.
    pipeline.write(event(7, "a", "70"), event(7, "a", "no number"));
    pipeline.deliverAll();
    assertThat(pipeline.warehouse).containsEntry("bets:1", "70 80 x");
  }

  @Test
  void oneFindingIsAboutAllRowsWithoutTheirReference() throws Exception {
    open(true);
    for (long id = 1; id <= 50; id++) {
      pipeline.write(null, bet(id, 7L, null, "x"));
    }
    pipeline.deliverAll();
    pipeline.pass(2 * GRACE);
    pipeline.checkpoint();
    pipeline.checkpoint();
    pipeline.restart();
    assertThat(pipeline.findings)
        .singleElement()
        .asString()
        .matches(
            "open column:shop.bets.event_id: 50 rows of shop.bets, such as replicated-row:bets:\\d+: event_name is NULL");
    pipeline.write(null, event(7, "a", "70"));
    pipeline.checkpoint();
    assertThat(pipeline.findings)
        .hasSize(2)
        .last()
        .asString()
        .startsWith("resolved column:shop.bets.event_id");
  }

  @Test
  void deletedRowsLeaveNoStateBehindABarrier() throws Exception {
    open(true);
    pipeline.checkpoint();
    int empty = pipeline.heldRows();
    pipeline.write(null, event(7, "a", "70"));
    pipeline.write(null, bet(1, 7L, 7L, "x"));
    pipeline.checkpoint();
    pipeline.delete(ChangeKind.DELETE, bet(1, 7L, 7L, "x"));
    pipeline.delete(ChangeKind.DELETE, event(7, "a", "70"));
    pipeline.checkpoint();
    assertThat(pipeline.heldRows()).isEqualTo(empty);
  }

  @Test
  void everyOrderOfArrivalLeavesTheJoin() throws Exception {
    for (int seed = 0; seed < 40; seed++) {
      Random random = new Random(seed);
      pipeline = new LookupPipeline(true, random);
      new Platform(random).run();
      if (seed < 39) {
        pipeline.close();
      }
    }
  }

  /** Random changes of both tables, and what a join of them gives. */
  private final class Platform {
    private final Random random;
    private final Map<Long, ReplicatedRow> bets = new TreeMap<>();
    private final Map<Long, ReplicatedRow> events = new TreeMap<>();

    /** Deleted by retention at the source: rows that name them keep what they know. */
    private final Map<Long, ReplicatedRow> retained = new TreeMap<>();

    Platform(Random random) {
      this.random = random;
    }

    private void run() throws Exception {
      for (int step = 0; step < 300; step++) {
        int what = random.nextInt(100);
        if (what < 45) {
          changeBet();
        } else if (what < 80) {
          changeEvent();
        } else if (what < 92) {
          pipeline.deliver(random.nextInt(30));
        } else if (what < 95) {
          pipeline.pass(random.nextInt(2 * (int) GRACE));
        } else if (what < 98) {
          pipeline.checkpoint();
          assertThat(pipeline.warehouse).isEqualTo(joined());
          if (random.nextBoolean()) {
            pipeline.restart();
          }
        } else {
          truncate();
        }
      }
      pipeline.deliverAll();
      pipeline.pass(2 * GRACE);
      pipeline.deliverAll();
      assertThat(pipeline.warehouse).isEqualTo(joined());
    }

    private void truncate() throws Exception {
      if (random.nextBoolean()) {
        pipeline.truncate("bets");
        bets.clear();
      } else {
        pipeline.truncate("events");
        events.clear();
      }
    }

    private Long reference() {
      return random.nextInt(6) == 0 ? null : (long) random.nextInt(5);
    }

    private void changeBet() throws Exception {
      long id = random.nextInt(8);
      ReplicatedRow before = bets.get(id);
      if (before != null && random.nextInt(4) == 0) {
        pipeline.delete(ChangeKind.DELETE, before);
        bets.remove(id);
        return;
      }
      long now = before != null && random.nextInt(4) == 0 ? random.nextInt(8) : id;
      if (now != id && bets.containsKey(now)) {
        return;
      }
      ReplicatedRow after =
          bet(now, reference(), reference(), Integer.toString(random.nextInt(1000)));
      pipeline.write(before, after);
      bets.remove(id);
      bets.put(now, after);
    }

    private void changeEvent() throws Exception {
      long id = random.nextInt(5);
      ReplicatedRow before = events.get(id);
      if (before != null && random.nextInt(3) == 0) {
        boolean retention = random.nextInt(4) == 0;
        pipeline.delete(retention ? ChangeKind.RETENTION_DELETE : ChangeKind.DELETE, before);
        events.remove(id);
        if (retention) {
          retained.put(id, before);
        }
        return;
      }
      long now = before != null && random.nextInt(4) == 0 ? random.nextInt(5) : id;
      if (now != id && events.containsKey(now)) {
        return;
      }
      ReplicatedRow after =
          event(now, "c" + random.nextInt(3), Integer.toString(random.nextInt(1000)));
      pipeline.write(before, after);
      events.remove(id);
      events.put(now, after);
      retained.remove(now);
    }

    private Map<String, String> joined() {
      Map<String, String> joined = new TreeMap<>();
      for (ReplicatedRow bet : bets.values()) {
        List<String> values = TextList.parse(bet.values());
        joined.put(
            bet.key(),
            "%s %s %s".formatted(name(values.get(1)), name(values.get(2)), values.get(3)));
      }
      return joined;
    }

    private String name(String id) {
      if (id == null) {
        return null;
      }
      ReplicatedRow event = events.get(Long.valueOf(id));
      ReplicatedRow known = event == null ? retained.get(Long.valueOf(id)) : event;
      return known == null ? null : Objects.requireNonNull(TextList.parse(known.values()).get(2));
    }
  }
}
