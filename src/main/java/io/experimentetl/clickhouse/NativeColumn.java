package io.experimentetl.clickhouse;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The values of one column of a block, in ClickHouse's Native format: for a Nullable a byte per row
 * that says whether it is NULL, for an Array the end of each row's elements, then the values. The
 * values of a LowCardinality are numbers of texts in a dictionary before them. The format is that
 * of ClickHouse's {@code SerializationNullable}, {@code SerializationArray} and {@code
 * SerializationLowCardinality}.
 */
final class NativeColumn {
  private static final Pattern WRAPPED = Pattern.compile("(Nullable|Array)\\((.*)\\)");
  private static final String TEXT = "String";
  private static final String LABEL = "LowCardinality(String)";
  private static final Map<String, Integer> WIDTHS =
      Map.ofEntries(
          Map.entry("Bool", 1),
          Map.entry("UInt8", 1),
          Map.entry("Int16", 2),
          Map.entry("UInt16", 2),
          Map.entry("Int32", 4),
          Map.entry("UInt32", 4),
          Map.entry("Date32", 4),
          Map.entry("Int64", 8),
          Map.entry("UInt64", 8),
          Map.entry("Float64", 8),
          Map.entry("DateTime64", 8),
          Map.entry("UUID", 16));
  private static final int INITIAL_CAPACITY = 64;

  /** Approximate bytes on the heap of a text in the dictionary, beside the text. */
  private static final int ENTRY_BYTES = 64;

  /** The only version of a dictionary's form. */
  private static final long DICTIONARY_VERSION = 1;

  /** The block brings its texts along, and the reader begins a new dictionary. */
  private static final long OWN_DICTIONARY = 0x600;

  private final TableSchema.Column column;
  private final GrowingBytes nulls;
  private final GrowingBytes ends;
  private final GrowingBytes values;
  private final GrowingBytes texts;
  private final Map<String, Integer> numbers = new HashMap<>();
  private final GrowingBytes.Held held;

  /** Bytes of a value; 0: a text. */
  private final int width;

  private long elements;
  private String lastText;
  private int lastNumber;

  private int rowValues;
  private int rowNulls;
  private int rowEnds;
  private long rowElements;

  /**
   * Creates an empty column.
   *
   * @param held counts its buffers
   */
  NativeColumn(TableSchema.Column column, GrowingBytes.Held held) {
    this.column = column;
    this.held = held;
    this.values = new GrowingBytes(INITIAL_CAPACITY, held);
    Matcher wrapped = WRAPPED.matcher(column.type());
    boolean isWrapped = wrapped.matches();
    String type = isWrapped ? wrapped.group(2) : column.type();
    boolean isArray = isWrapped && wrapped.group(1).equals("Array");
    this.ends = isArray ? new GrowingBytes(INITIAL_CAPACITY, held) : null;
    this.nulls = isWrapped && !isArray ? new GrowingBytes(INITIAL_CAPACITY, held) : null;
    this.texts = type.equals(LABEL) ? new GrowingBytes(INITIAL_CAPACITY, held) : null;
    this.width = type.equals(TEXT) || type.equals(LABEL) ? 0 : widthOf(type);
  }

  private int widthOf(String type) {
    if (type.startsWith("Decimal(")) {
      return Integer.parseInt(type.substring(8, type.indexOf(','))) > 38 ? 32 : 16;
    }
    Integer known = WIDTHS.get(type.replaceFirst("\\(.*", ""));
    if (known == null) {
      throw new IllegalArgumentException(
          "Column %s: the sink cannot write the type %s.".formatted(column.name(), column.type()));
    }
    return known;
  }

  /** Where a value of so many bytes is written. */
  GrowingBytes value(int bytes) {
    if (bytes != width) {
      throw new IllegalStateException(
          "Column %s is %s, and was given a value of %d bytes."
              .formatted(column.name(), column.type(), bytes));
    }
    return values;
  }

  void text(String text) {
    if (width != 0) {
      throw new IllegalStateException(
          "Column %s is %s, and was given a text.".formatted(column.name(), column.type()));
    }
    if (text == null) {
      throw new UnencodableValueException("NULL, which the column cannot hold");
    }
    if (texts == null) {
      values.putString(text);
    } else {
      values.putInt(numberOf(text));
    }
  }

  /** Rows behind each other mostly share their texts, and often the very object. */
  @SuppressWarnings({"ReferenceEquality", "StringEquality"})
  private int numberOf(String text) {
    if (text == lastText) {
      return lastNumber;
    }
    Integer known = numbers.get(text);
    if (known == null) {
      texts.putString(text);
      known = numbers.size();
      numbers.put(text, known);
      held.add(ENTRY_BYTES);
    }
    lastText = text;
    lastNumber = known;
    return known;
  }

  /** Notes whether the row is NULL; the value of one that is, is written here. */
  boolean isNull(boolean isNull) {
    if (nulls == null) {
      throw new IllegalStateException(
          "Column %s is %s, which has no NULL.".formatted(column.name(), column.type()));
    }
    nulls.putByte(isNull ? 1 : 0);
    if (isNull) {
      values.putZeros(Math.max(1, width));
    }
    return isNull;
  }

  /** Notes how many values follow for the row. */
  void elements(int count) {
    if (ends == null) {
      throw new IllegalStateException(
          "Column %s is %s, and was given an array.".formatted(column.name(), column.type()));
    }
    elements += count;
    ends.putLong(elements);
  }

  /**
   * Keeps the row that is complete.
   *
   * @return bytes of all complete rows, about as many as {@link #writeTo} writes
   */
  int endRow() {
    rowValues = values.size();
    rowElements = elements;
    int size = rowValues;
    if (nulls != null) {
      rowNulls = nulls.size();
      size += rowNulls;
    }
    if (ends != null) {
      rowEnds = ends.size();
      size += rowEnds;
    }
    return texts == null ? size : size + texts.size();
  }

  /** Removes what was written since the last complete row. */
  void removeRow() {
    values.truncate(rowValues);
    elements = rowElements;
    if (nulls != null) {
      nulls.truncate(rowNulls);
    }
    if (ends != null) {
      ends.truncate(rowEnds);
    }
  }

  /** Removes all rows and keeps the buffers. */
  void clear() {
    rowValues = 0;
    rowNulls = 0;
    rowEnds = 0;
    rowElements = 0;
    removeRow();
    if (texts != null) {
      texts.truncate(0);
      held.add(-(long) ENTRY_BYTES * numbers.size());
      numbers.clear();
      lastText = null;
    }
  }

  /** Writes the column's name, its type and the complete rows. */
  void writeTo(GrowingBytes out) {
    out.putString(column.name());
    out.putString(column.type());
    if (texts != null) {
      out.putLong(DICTIONARY_VERSION);
    }
    if (nulls != null) {
      out.putAll(nulls);
    }
    if (ends != null) {
      out.putAll(ends);
    }
    if (texts == null) {
      out.putAll(values);
    } else if (values.size() > 0) {
      writeNumbersTo(out);
    }
  }

  private void writeNumbersTo(GrowingBytes out) {
    int count = values.size() / Integer.BYTES;
    int bytes = numbers.size() <= 1 << 8 ? 1 : numbers.size() <= 1 << 16 ? 2 : 4;
    // The numbers' type: 0 is UInt8, 1 is UInt16, 2 is UInt32.
    out.putLong(OWN_DICTIONARY | bytes >> 1);
    out.putLong(numbers.size());
    out.putAll(texts);
    out.putLong(count);
    for (int i = 0; i < count; i++) {
      int number = values.intAt(i);
      switch (bytes) {
        case 1 -> out.putByte(number);
        case 2 -> out.putShort((short) number);
        default -> out.putInt(number);
      }
    }
  }
}
