package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.RowVersion;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Checkpoints take stamps too, and a second run takes others than the first. A row whose stamp is
 * its LSN may all the same be written through: what comes of it, or behind it, replaces it.
 */
class RepeatedStampsTest {

  @Property(tries = 2000)
  void aStampThatIsTheLsnIsNeverAboveWhatALaterRunGives(@ForAll long seed) {
    Random random = new Random(seed);
    long[] lsns = new long[12];
    long lsn = 100;
    for (int i = 0; i < lsns.length; i++) {
      // Rows of one COPY page share their LSN.
      lsn += random.nextBoolean() ? 0 : 1 + random.nextInt(6);
      lsns[i] = lsn;
    }
    long[] first = stamps(lsns, random);
    long[] second = stamps(lsns, random);

    for (int i = 0; i < lsns.length; i++) {
      long written = RowVersion.ofStamp(first[i]);
      if (new RowVersion(lsns[i], 0, written, false, "").isOfLsn()) {
        assertThat(RowVersion.ofStamp(second[i])).isGreaterThanOrEqualTo(written);
        for (int later = i + 1; later < lsns.length; later++) {
          assertThat(RowVersion.ofStamp(second[later])).isGreaterThan(written);
        }
      }
    }
  }

  /** Of a run from the same state, with its checkpoints where they happen to be. */
  private static long[] stamps(long[] lsns, Random random) {
    Continuity continuity = new Continuity(ContinuityState.START);
    long[] stamps = new long[lsns.length];
    for (int i = 0; i < lsns.length; i++) {
      for (int barriers = random.nextInt(4); barriers > 0; barriers--) {
        continuity.nextCut(true, true);
      }
      stamps[i] = continuity.nextStamp(lsns[i]);
    }
    return stamps;
  }
}
