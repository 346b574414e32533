package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.SourcePosition;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ContinuityTest {

  /** A committed transaction of the server's log; rows of one page share an LSN. */
  private record Transaction(long txId, long[] rowLsns, long commitStart, long commitEnd) {}

  /** The position that the connector's split stores; -1: absent. */
  private record Offset(long lsn, long lsnProc, long lsnCommit) {}

  private record Checkpoint(Offset offset, ContinuityState state, int passed) {}

  private static final ReplicationSlot SLOT =
      new ReplicationSlot("pgoutput", "db", false, "reserved", 1000, 0, 0, -1);

  /**
   * The server: transactions in commit order, written interleaved. Every record after a commit
   * starts at its end.
   */
  private static List<Transaction> log(Random random, int transactions) {
    List<Transaction> log = new ArrayList<>();
    List<List<Long>> open = new ArrayList<>();
    long wal = 1000;
    while (log.size() < transactions) {
      if (open.size() < 4 && random.nextInt(3) == 0) {
        open.add(new ArrayList<>());
      } else if (!open.isEmpty()) {
        List<Long> rows = open.get(random.nextInt(open.size()));
        if (!rows.isEmpty() && random.nextInt(3) == 0) {
          open.remove(rows);
          log.add(
              new Transaction(
                  500 + log.size(),
                  rows.stream().mapToLong(Long::longValue).toArray(),
                  wal,
                  wal + 34));
          wal += 34;
        } else {
          for (int page = random.nextInt(4) == 0 ? random.nextInt(5) : 1; page >= 0; page--) {
            rows.add(wal);
          }
          wal += 60;
        }
      }
    }
    return log;
  }

  /** The positions of Debezium's reader and of the connector's split. */
  private static final class Reader {
    private final List<Transaction> sent;
    private long lsn;
    private long lsnProc;
    private long lsnCommit;
    private int transaction;
    private int row;
    private long lastTxId;
    private long lastLsn;
    private int index;

    Reader(List<Transaction> log, Offset offset) {
      lsn = offset.lsn;
      lsnProc = offset.lsnProc;
      lsnCommit = offset.lsnCommit != -1 ? offset.lsnCommit : offset.lsnProc;
      long from = lsnProc != -1 ? lsnProc : lsn;
      sent = log.stream().filter(t -> t.commitStart >= from).collect(Collectors.toList());
    }

    boolean atEnd() {
      return transaction == sent.size();
    }

    /** The next row, or null if the next message is a commit. */
    SourcePosition next() {
      Transaction current = sent.get(transaction);
      if (row == current.rowLsns.length) {
        lsn = current.commitEnd;
        lsnProc = lsn;
        lsnCommit = lsn;
        transaction++;
        row = 0;
        return null;
      }
      lsn = current.rowLsns[row++];
      lsnProc = lsn;
      index = lastTxId == current.txId && lastLsn == lsn ? index + 1 : 0;
      lastTxId = current.txId;
      lastLsn = lsn;
      return new SourcePosition(Math.max(lsnCommit, 0), lsn, current.txId, index, 7);
    }

    Offset offset() {
      return new Offset(lsn, lsnProc, lsnCommit);
    }
  }

  private static String name(SourcePosition row) {
    return row.txId() + "/" + row.lsn() + "/" + row.indexAtLsn();
  }

  private static String endOf(long txId) {
    return "end of " + txId;
  }

  /** The reader passes on the commits of some transactions, and positions at any time. */
  private static boolean passesCommitOn(long txId) {
    return txId % 2 == 0;
  }

  private static List<String> rowsAndCommits(List<Transaction> log) {
    List<String> names = new ArrayList<>();
    for (Reader all = new Reader(log, new Offset(1000, -1, -1)); !all.atEnd(); ) {
      SourcePosition row = all.next();
      if (row != null) {
        names.add(name(row));
      } else if (passesCommitOn(all.lastTxId)) {
        names.add(endOf(all.lastTxId));
      }
    }
    return names;
  }

  @Property(tries = 3000)
  void everyRowAndCommitPassesOnceForAnyRepetition(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 12) int transactions,
      @ForAll @IntRange(min = 0, max = 12) int restarts) {
    Random random = new Random(seed);
    List<Transaction> log = log(random, transactions);
    List<String> passed = new ArrayList<>();
    List<Long> sequenceNumbers = new ArrayList<>();
    Offset splitOffset = new Offset(1000, -1, -1);
    Continuity continuity = new Continuity(ContinuityState.START);
    continuity.check("s", "h", new ServerPosition(42, 1_000_000), SLOT);
    Reader reader = new Reader(log, splitOffset);
    Checkpoint checkpoint = new Checkpoint(splitOffset, continuity.state(), 0);
    while (!reader.atEnd() || restarts > 0) {
      if (restarts > 0 && (reader.atEnd() || random.nextInt(6) == 0)) {
        restarts--;
        continuity = new Continuity(checkpoint.state);
        splitOffset = checkpoint.offset;
        // The source has confirmed no more than the checkpoint's offset, and that is never refused.
        continuity.check(
            "s", "h", new ServerPosition(42, 1_000_000), slot("reserved", splitOffset.lsn));
        reader = new Reader(log, splitOffset);
        passed.subList(checkpoint.passed, passed.size()).clear();
        sequenceNumbers.subList(checkpoint.passed, sequenceNumbers.size()).clear();
        continue;
      }
      SourcePosition row = reader.next();
      if (row != null) {
        splitOffset = reader.offset();
        if (continuity.accept(row)) {
          passed.add(name(row));
          sequenceNumbers.add(continuity.nextSequenceNumber(row.lsn()));
        }
      }
      if ((row == null && passesCommitOn(reader.lastTxId)) || random.nextInt(4) == 0) {
        splitOffset = reader.offset();
        if (continuity.advance(Math.max(reader.lsnCommit, 0), reader.lsn)) {
          passed.add(endOf(continuity.endOfTransaction().position().txId()));
          sequenceNumbers.add(-1L);
        }
      }
      if (random.nextInt(4) == 0) {
        checkpoint = new Checkpoint(splitOffset, continuity.state(), passed.size());
      }
    }
    assertThat(passed).doesNotHaveDuplicates();
    for (Transaction transaction : log) {
      if (!passesCommitOn(transaction.txId)) {
        passed.remove(endOf(transaction.txId));
      }
    }
    assertThat(passed).isEqualTo(rowsAndCommits(log));
    sequenceNumbers.removeIf(number -> number == -1);
    assertThat(sequenceNumbers).isSorted().doesNotHaveDuplicates();
  }

  @Property(tries = 1000)
  void missingRestOfAHalfReadTransactionIsRefused(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 6) int before) {
    Random random = new Random(seed);
    List<Transaction> log = log(random, before + 3);
    Continuity continuity = new Continuity(ContinuityState.START);
    Reader reader = new Reader(log, new Offset(1000, -1, -1));
    Transaction last = log.get(before);
    SourcePosition row;
    do {
      row = reader.next();
      if (row != null) {
        continuity.accept(row);
      }
    } while (row == null || row.txId() != last.txId);
    Reader after =
        new Reader(log.stream().filter(t -> t.txId != last.txId).toList(), reader.offset());
    Continuity restored = new Continuity(continuity.state());

    assertThatThrownBy(
            () -> {
              while (!after.atEnd()) {
                SourcePosition next = after.next();
                if (next == null) {
                  restored.advance(after.lsnCommit, after.lsn);
                } else {
                  assertThat(restored.accept(next)).isFalse();
                }
              }
            })
        .isInstanceOf(DiscontinuityException.class)
        .hasMessageContaining("without transaction " + last.txId)
        .hasMessageContaining("experiment-etl.jar resync");
  }

  @Test
  void sequenceNumbersFollowTheLsnAndAlwaysIncrease() {
    Continuity continuity = new Continuity(ContinuityState.START);
    assertThat(
            List.of(
                continuity.nextSequenceNumber(0),
                continuity.nextSequenceNumber(0),
                continuity.nextSequenceNumber(104),
                continuity.nextSequenceNumber(96),
                continuity.nextSequenceNumber(104),
                continuity.nextSequenceNumber(200)))
        .containsExactly(1L, 2L, 104L, 112L, 120L, 200L);
  }

  @Test
  void snapshotIsDoneWhenTheStreamHasPassedItsEnd() {
    Continuity continuity = new Continuity(ContinuityState.START);
    continuity.completeChunk(1000, 5000);
    continuity.completeChunk(4000, 6000);
    assertThat(continuity.accept(new SourcePosition(0, 1500, 1, 0, 11))).isTrue();
    continuity.nextSequenceNumber(1500);
    assertThat(continuity.nextMarker(true, false))
        .isEqualTo(new ProgressMarker(1501, 0, 11, false, false, true));
    continuity.advance(5999, 5999);
    assertThat(continuity.nextMarker(true, false))
        .isEqualTo(new ProgressMarker(1502, 5999, 11, false, false));
    continuity.advance(6000, 6000);
    assertThat(continuity.nextMarker(true, false))
        .isEqualTo(new ProgressMarker(1503, 6000, 11, true, false));
    assertThat(new Continuity(continuity.state()).nextMarker(true, false).snapshotDone()).isTrue();
  }

  @Test
  void slotBeyondThePositionIsRefused() {
    Continuity continuity = started();
    assertThatThrownBy(
            () ->
                continuity.check(
                    "s", "h:1/db", new ServerPosition(42, 9000), slot("reserved", 2001)))
        .isInstanceOf(DiscontinuityException.class)
        .hasMessageContaining("slot s on h:1/db is at LSN 0/7D1")
        .hasMessageContaining("beyond the job's position 0/7D0")
        .hasMessageContaining("start from that one. If not,");
    continuity.check("s", "h:1/db", new ServerPosition(42, 9000), slot("reserved", 2000));
  }

  @Test
  void missingLostAndForeignSlotsAndARestoredServerAreRefused() {
    Continuity continuity = started();
    assertThatThrownBy(() -> continuity.check("s", "h:1/db", new ServerPosition(42, 9000), null))
        .hasMessageContaining("slot s on h:1/db does not exist");
    assertThatThrownBy(
            () -> continuity.check("s", "h:1/db", new ServerPosition(42, 9000), slot("lost", 1)))
        .hasMessageContaining("has lost WAL")
        .hasMessageContaining("max_slot_wal_keep_size");
    assertThatThrownBy(
            () ->
                continuity.check("s", "h:1/db", new ServerPosition(43, 9000), slot("reserved", 1)))
        .hasMessageContaining("is not the one");
    assertThatThrownBy(
            () ->
                continuity.check("s", "h:1/db", new ServerPosition(42, 1999), slot("reserved", 1)))
        .hasMessageContaining("C-LSN-REGRESSION")
        .hasMessageContaining("restored from a backup");
  }

  @Test
  void transactionBeforeTheLastOneIsRefused() {
    Continuity continuity = started();
    assertThatThrownBy(() -> continuity.accept(new SourcePosition(900, 3000, 8, 0, 0)))
        .isInstanceOf(DiscontinuityException.class)
        .hasMessageContaining("C-LSN-REGRESSION");
  }

  private static ReplicationSlot slot(String walStatus, long confirmed) {
    return new ReplicationSlot("pgoutput", "db", false, walStatus, confirmed, 0, 0, -1);
  }

  private static Continuity started() {
    Continuity continuity = new Continuity(ContinuityState.START);
    continuity.check("s", "h:1/db", new ServerPosition(42, 1000), SLOT);
    continuity.accept(new SourcePosition(1500, 2000, 7, 0, 0));
    return continuity;
  }
}
