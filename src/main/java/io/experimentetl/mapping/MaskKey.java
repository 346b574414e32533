package io.experimentetl.mapping;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.InvalidKeyException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The key by which values are masked. It is the place of a secret, never the secret itself. */
public interface MaskKey extends Serializable {
  String ALGORITHM = "HmacSHA256";

  /** Bytes of a block of SHA-256. */
  int BLOCK = 64;

  /** Reads the secret. */
  String value();

  /** A computation of masks, for one thread. */
  default Mac mac() {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(new SecretKeySpec(value().getBytes(StandardCharsets.UTF_8), ALGORITHM));
      return mac;
    } catch (NoSuchAlgorithmException | InvalidKeyException e) {
      throw new IllegalStateException("Every JVM has " + ALGORITHM + ".", e);
    }
  }

  /** The mask of a text. */
  static String mask(Mac mac, String text) {
    return HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
  }

  /** The same as an expression of PostgreSQL (RFC 2104): it has no function for it. */
  default String sql(String text) {
    return "CASE WHEN %1$s IS NOT NULL THEN encode(sha256(decode('%2$s', 'hex') || sha256(decode('%3$s', 'hex') || convert_to(%1$s, 'UTF8'))), 'hex') END"
        .formatted("(" + text + ")", padded(0x5c), padded(0x36));
  }

  private String padded(int with) {
    byte[] key = value().getBytes(StandardCharsets.UTF_8);
    if (key.length > BLOCK) {
      try {
        key = MessageDigest.getInstance("SHA-256").digest(key);
      } catch (NoSuchAlgorithmException impossible) {
        throw new IllegalStateException("Every JVM has SHA-256.", impossible);
      }
    }
    byte[] block = new byte[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
      block[i] = (byte) ((i < key.length ? key[i] : 0) ^ with);
    }
    return HexFormat.of().formatHex(block);
  }
}
