package io.experimentetl.postgres;

/** The {@code wal_status} of a replication slot. */
public final class WalStatus {
  private WalStatus() {}

  /** 0 reserved, 1 extended, 2 unreserved, 3 lost: for a metric. */
  public static int rank(String status) {
    return switch (status) {
      case "reserved" -> 0;
      case "extended" -> 1;
      case "unreserved" -> 2;
      default -> 3;
    };
  }
}
