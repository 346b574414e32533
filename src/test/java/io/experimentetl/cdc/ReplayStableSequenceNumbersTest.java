package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.RowVersion;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * Progress markers take sequence numbers too, and a second run sends other markers than the first.
 * A row whose number the stream's rows alone determine may still be written early: what a later run
 * writes for it has the same version or a greater one.
 */
class ReplayStableSequenceNumbersTest {

  @Property(tries = 2000)
  void replayStableSequenceNumberIsNeverAboveThatOfALaterRun(@ForAll long seed) {
    Random random = new Random(seed);
    long[] lsns = new long[40];
    long lsn = 800;
    for (int i = 0; i < lsns.length; i++) {
      // Rows of one COPY page share their LSN; those of a long transaction follow higher ones.
      lsn += 8L * (random.nextInt(12) - 3);
      lsns[i] = lsn;
    }
    long[] first = sequenceNumbers(lsns, random, 12);
    long[] second = sequenceNumbers(lsns, random, 12);

    for (int i = 0; i < lsns.length; i++) {
      if (isReplayStable(lsns[i], first[i])) {
        assertThat(second[i]).isGreaterThanOrEqualTo(first[i]);
        for (int later = i + 1; later < lsns.length; later++) {
          assertThat(second[later]).isGreaterThan(first[i]);
        }
      }
    }
  }

  /** Low-latency delivery covers these rows too: few barriers are between two rows. */
  @Test
  void rowsOfInterleavedTransactionsAndOfOneCopyPageAreReplayStable() {
    long[] lsns =
        IntStream.range(0, 1000).mapToLong(i -> 8000 + 8L * (i * 37 % 1000 / 2)).toArray();
    long[] sequenceNumbers = sequenceNumbers(lsns, new Random(1), 7);

    assertThat(IntStream.range(0, lsns.length))
        .allSatisfy(i -> assertThat(isReplayStable(lsns[i], sequenceNumbers[i])).isTrue());
  }

  @Test
  void rowAfterTooManyProgressMarkersIsNotReplayStableUntilTheLsnPassesThem() {
    Continuity continuity = new Continuity(ContinuityState.START);
    continuity.nextSequenceNumber(800);
    for (int markers = 0; markers < 20; markers++) {
      continuity.nextMarker(true, true);
    }

    assertThat(isReplayStable(808, continuity.nextSequenceNumber(808))).isFalse();
    assertThat(isReplayStable(816, continuity.nextSequenceNumber(816))).isFalse();
    assertThat(isReplayStable(1600, continuity.nextSequenceNumber(1600))).isTrue();
  }

  private static boolean isReplayStable(long lsn, long sequenceNumber) {
    return new RowVersion(lsn, 0, RowVersion.ofSequenceNumber(sequenceNumber), false, "")
        .isReplayStable();
  }

  /**
   * The numbers of a run from the same state, with checkpoints at any place and a restart at any
   * checkpoint.
   */
  private static long[] sequenceNumbers(long[] lsns, Random random, int markersBetween) {
    Continuity continuity = new Continuity(ContinuityState.START);
    long[] sequenceNumbers = new long[lsns.length];
    for (int i = 0; i < lsns.length; i++) {
      for (int barriers = random.nextInt(markersBetween + 1); barriers > 0; barriers--) {
        continuity.nextMarker(true, true);
        continuity = new Continuity(continuity.state());
      }
      sequenceNumbers[i] = continuity.nextSequenceNumber(lsns[i]);
    }
    return sequenceNumbers;
  }
}
