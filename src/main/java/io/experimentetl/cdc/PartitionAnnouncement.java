package io.experimentetl.cdc;

import io.experimentetl.cdc.SourceCatalogue.Relation;
import java.util.Collection;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What partition maintenance says that it changed in the catalogue: a row of {@code etl_heartbeat},
 * written in the transaction that changes it. It names the partition as it was and as it is, so
 * that it excuses nothing else.
 *
 * @param kind {@code attach}, {@code detach}, {@code drop} or {@code vacuum-full}
 * @param oid the partition
 * @param was its {@link Relation#attachment} before; for {@code vacuum-full} its {@link
 *     Relation#fileNode}; {@link #NONE}: it was no partition
 * @param becomes its attachment behind it; {@link #NONE}: it is no partition any more
 */
record PartitionAnnouncement(String kind, long oid, String was, String becomes) {
  /** A pattern for LIKE that finds the rows. */
  static final String PATTERN = "partition %";

  private static final String NONE = "-";

  /** {@code partition_announce()} of {@code sql/postgres/004_partitions.sql} writes it. */
  private static final Pattern WRITER =
      Pattern.compile("partition (attach|detach|drop|vacuum-full) (\\d{1,18}) (\\S+) (\\S+) .*");

  /** The announcement that the row makes; empty: it makes none. */
  static Optional<PartitionAnnouncement> parse(String writer) {
    Matcher row = WRITER.matcher(writer);
    return row.matches()
        ? Optional.of(
            new PartitionAnnouncement(
                row.group(1), Long.parseLong(row.group(2)), row.group(3), row.group(4)))
        : Optional.empty();
  }

  /** Whether the announcements lead from no partition to this one. */
  static boolean attached(Relation now, Collection<PartitionAnnouncement> announced) {
    return leads(now.oid(), NONE, now.attachment(), announced);
  }

  /** Whether the announcements lead from one attachment of the partition to the other. */
  static boolean attachedAgain(
      Relation before, Relation now, Collection<PartitionAnnouncement> announced) {
    return leads(now.oid(), before.attachment(), now.attachment(), announced);
  }

  /** Whether the announcements lead from this partition to none. */
  static boolean detached(Relation before, Collection<PartitionAnnouncement> announced) {
    return leads(before.oid(), before.attachment(), NONE, announced);
  }

  /**
   * Whether the partition's file was to be rewritten. It may have been truncated as well, so its
   * rows must be compared all the same.
   */
  static boolean rewritten(Relation before, Collection<PartitionAnnouncement> announced) {
    return announced.stream()
        .anyMatch(
            announcement ->
                announcement.kind.equals("vacuum-full")
                    && announcement.oid == before.oid()
                    && announcement.was.equals(Long.toString(before.fileNode())));
  }

  /** Several may lie between two looks: each must begin where the one before it ends. */
  private static boolean leads(
      long oid, String from, String to, Collection<PartitionAnnouncement> announced) {
    Set<String> reached = new HashSet<>(Set.of(from));
    boolean grows = true;
    while (grows && !reached.contains(to)) {
      grows = false;
      for (PartitionAnnouncement announcement : announced) {
        if (announcement.oid == oid
            && !announcement.kind.equals("vacuum-full")
            && reached.contains(announcement.was)) {
          grows |= reached.add(announcement.becomes);
        }
      }
    }
    return reached.contains(to);
  }
}
