package io.experimentetl.model;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.UUID;

/**
 * The id of an event, 128 bits. An id that is a UUID keeps its bits. Any other id becomes a UUIDv5
 * (RFC 9562, section 5.5): the SHA-1 of {@link #NAMESPACE} and the id in UTF-8. Two ids are equal
 * when their bits are.
 *
 * @param high most significant 64 bits
 * @param low least significant 64 bits
 * @param sourceId the id as the source has it; null for a UUID in lower case, and where only the
 *     bits are known (tombstones)
 */
public record EventId(long high, long low, String sourceId) {

  /** The name space of event ids: UUIDv5 of {@code events.experimentetl.io} as a DNS name. */
  public static final UUID NAMESPACE = UUID.fromString("a066a403-c85e-5eb8-952c-03530f7288e3");

  private static final int UUID_LENGTH = 36;

  /**
   * The id that the source sent as this text. A UUID has 32 hexadecimal digits of either case in
   * the groups 8-4-4-4-12, as PostgreSQL prints it; everything else is another id.
   */
  public static EventId of(String text) {
    if (isUuid(text)) {
      UUID uuid = UUID.fromString(text);
      return of(uuid, text.equals(uuid.toString()) ? null : text);
    }
    return of(named(NAMESPACE, text), text);
  }

  /**
   * The id of an event that the source keeps in a table of its own: the UUIDv5 of its key, in the
   * name space that is the UUIDv5 of the table's entry in {@link #NAMESPACE}. The ids of two tables
   * never collide: also the source id has the entry before the key.
   *
   * @param entry {@code exposures}, or the name of a table of metric events
   * @param key the row's key in that table, as a text
   */
  public static EventId ofEntry(String entry, String key) {
    return of(named(named(NAMESPACE, entry), key), prefix(entry) + key);
  }

  /** What stands before the key in the source id of an event of the entry. */
  public static String prefix(String entry) {
    return entry + ":";
  }

  /**
   * The id as the warehouse has it.
   *
   * @param uuid the column {@code event_id}
   * @param sourceId the column {@code source_id}, or null
   */
  public static EventId of(UUID uuid, String sourceId) {
    return new EventId(uuid.getMostSignificantBits(), uuid.getLeastSignificantBits(), sourceId);
  }

  private static boolean isUuid(String text) {
    if (text.length() != UUID_LENGTH) {
      return false;
    }
    for (int i = 0; i < UUID_LENGTH; i++) {
      boolean hyphen = i == 8 || i == 13 || i == 18 || i == 23;
      if (hyphen ? text.charAt(i) != '-' : !HexFormat.isHexDigit(text.charAt(i))) {
        return false;
      }
    }
    return true;
  }

  /** The UUIDv5 of a name. */
  private static UUID named(UUID namespace, String name) {
    MessageDigest sha1;
    try {
      sha1 = MessageDigest.getInstance("SHA-1");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("Every JVM has SHA-1.", impossible);
    }
    sha1.update(bytes(namespace));
    byte[] hash = sha1.digest(name.getBytes(StandardCharsets.UTF_8));
    long high = (number(hash, 0) & ~0xF000L) | 0x5000L;
    long low = (number(hash, Long.BYTES) & 0x3FFF_FFFF_FFFF_FFFFL) | Long.MIN_VALUE;
    return new UUID(high, low);
  }

  private static byte[] bytes(UUID uuid) {
    return ByteBuffer.allocate(2 * Long.BYTES)
        .putLong(uuid.getMostSignificantBits())
        .putLong(uuid.getLeastSignificantBits())
        .array();
  }

  private static long number(byte[] hash, int from) {
    return ByteBuffer.wrap(hash).getLong(from);
  }

  /** The id for other systems: a UUID in lower case, any other id as the source has it. */
  public String text() {
    String uuid = toString();
    return sourceId == null || sourceId.equalsIgnoreCase(uuid) ? uuid : sourceId;
  }

  public UUID uuid() {
    return new UUID(high, low);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof EventId that && high == that.high && low == that.low;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(high) * 31 + Long.hashCode(low);
  }

  /** The UUID, in the form that PostgreSQL and ClickHouse print. */
  @Override
  public String toString() {
    return uuid().toString();
  }
}
