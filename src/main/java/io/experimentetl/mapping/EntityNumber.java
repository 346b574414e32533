package io.experimentetl.mapping;

import io.experimentetl.model.SourceTable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The number of an experiment, a variant or an assignment that the source identifies by a text. A
 * text that is an integer of 64 bits as PostgreSQL prints it is that integer. Any other text gives
 * the last 63 of the first 64 bits of the SHA-256 of {@code TABLE:TEXT} in UTF-8, with the table's
 * name here. The same text has the same number in every build and on every server. In SQL: {@code
 * ('x' || left(encode(sha256(convert_to('experiments:' || TEXT, 'UTF8')), 'hex'),
 * 16))::bit(64)::bigint & 9223372036854775807}.
 */
public final class EntityNumber {
  private EntityNumber() {}

  /** The number of the entity with this id or key. */
  public static long of(SourceTable entity, String text) {
    return isInteger(text) ? Long.parseLong(text) : hashed(entity.tableName() + ":" + text);
  }

  /** Whether the text is an integer of 64 bits, as PostgreSQL prints it. */
  public static boolean isInteger(String text) {
    int length = text.length();
    if (length == 0 || length > 20) {
      return false;
    }
    int first = text.charAt(0) == '-' ? 1 : 0;
    if (length == first || (text.charAt(first) == '0' && length > 1)) {
      return false;
    }
    for (int i = first; i < length; i++) {
      if (text.charAt(i) < '0' || text.charAt(i) > '9') {
        return false;
      }
    }
    if (length - first < 19) {
      return true;
    }
    try {
      Long.parseLong(text);
      return true;
    } catch (NumberFormatException tooLarge) {
      return false;
    }
  }

  private static long hashed(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return ByteBuffer.wrap(hash).getLong() & Long.MAX_VALUE;
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("Every JVM has SHA-256.", impossible);
    }
  }
}
