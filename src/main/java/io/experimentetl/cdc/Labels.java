package io.experimentetl.cdc;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The texts of labels that were read last, by their bytes in UTF-8: rows share the object of a
 * text, which then is hashed once and compared by its address. A text takes the place of another
 * one with the same hash.
 */
final class Labels {
  private static final int PLACES = 256;
  private static final int MAX_BYTES = 64;

  private final byte[][] bytes = new byte[PLACES][];
  private final String[] texts = new String[PLACES];

  String of(byte[] label) {
    if (label.length > MAX_BYTES) {
      return new String(label, StandardCharsets.UTF_8);
    }
    int hash = Arrays.hashCode(label);
    int place = (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (PLACES - 1);
    if (!Arrays.equals(bytes[place], label)) {
      bytes[place] = label;
      texts[place] = new String(label, StandardCharsets.UTF_8);
    }
    return texts[place];
  }
}
