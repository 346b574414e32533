package io.experimentetl.postgres.pgoutput;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Messages as PostgreSQL writes them. DecoderAgreementIT reads a real server. */
class CopyParserTest {
  private static final byte[] HEADER = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0
  };
  private static final byte[] END = {-1, -1};

  private final CopyParser parser = new CopyParser(false, true);
  private final List<String> rows = new ArrayList<>();

  private void parse(byte[]... parts) {
    ByteArrayOutputStream message = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      message.writeBytes(part);
    }
    parser.parse(
        message.toByteArray(),
        row ->
            rows.add(
                (row.isNull(0) ? null : row.value(0, ValueFormat.INTEGER))
                    + "|"
                    + (row.isNull(1) ? null : row.value(1, ValueFormat.OTHER))));
  }

  private static byte[] row(Long number, String text) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeShort(2);
      out.writeInt(number == null ? -1 : Long.BYTES);
      if (number != null) {
        out.writeLong(number);
      }
      byte[] content = text == null ? null : text.getBytes(StandardCharsets.UTF_8);
      out.writeInt(content == null ? -1 : content.length);
      if (content != null) {
        out.write(content);
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return bytes.toByteArray();
  }

  @Test
  void rowsAreReadWhereverAMessageEndsBehindARow() {
    parse(HEADER, row(1L, "a"));
    parse(row(null, ""));
    parse(row(Long.MIN_VALUE, null), row(2L, "\u00fc"), END);
    assertThat(rows).containsExactly("1|a", "null|", Long.MIN_VALUE + "|null", "2|\u00fc");
  }

  @Test
  void emptyTableHasAHeaderAndAnEnd() {
    parse(HEADER);
    parse(END);
    assertThat(rows).isEmpty();
  }

  @Test
  void otherContentIsRefused() {
    assertThatThrownBy(() -> parse(row(1L, "a")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("signature");
    parse(HEADER);
    assertThatThrownBy(() -> parse(new byte[] {0, 3}))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("3 columns in the place of 2");
    assertThatThrownBy(() -> parse(new byte[] {0, 2, 0, 0, 0, 9, 1}))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("ends too early");
  }
}
