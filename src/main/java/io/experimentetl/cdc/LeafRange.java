package io.experimentetl.cdc;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;

/**
 * A part of the snapshot: some blocks of a table, or of a leaf of a partitioned table.
 *
 * @param leaf its OID in the catalogue
 * @param filenode the file that the blocks are of: a rewritten leaf has another one, with its rows
 *     at other places. 0: the leaf has none
 * @param from the first block
 * @param to the first block behind the range, or {@link #OPEN}
 */
record LeafRange(long leaf, long filenode, long from, long to) {
  static final long OPEN = Long.MAX_VALUE;

  private static final int NUMBERS = 4;

  static LeafRange whole(long leaf, long filenode) {
    return new LeafRange(leaf, filenode, 0, OPEN);
  }

  boolean isWhole() {
    return from == 0 && to == OPEN;
  }

  /** The ranges as the connector keeps them in a split: as its start. */
  static Object[] toStart(List<LeafRange> ranges) {
    List<Object> numbers = new ArrayList<>();
    for (LeafRange range : ranges) {
      numbers.addAll(List.of(range.leaf, range.filenode, range.from, range.to));
    }
    return numbers.toArray();
  }

  static List<LeafRange> ofSplit(SnapshotSplit split) {
    Object[] numbers = split.getSplitStart();
    List<LeafRange> ranges = new ArrayList<>();
    for (int i = 0; i < numbers.length; i += NUMBERS) {
      ranges.add(
          new LeafRange(
              (Long) numbers[i],
              (Long) numbers[i + 1],
              (Long) numbers[i + 2],
              (Long) numbers[i + 3]));
    }
    return ranges;
  }
}
