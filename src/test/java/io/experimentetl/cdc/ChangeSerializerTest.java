package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import java.io.IOException;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

class ChangeSerializerTest {

  @Provide
  Arbitrary<Change> changes() {
    return Changes.any();
  }

  @Property
  void whatIsWrittenIsReadAndNothingIsLeftOver(
      @ForAll("changes") Change first, @ForAll("changes") Change second) throws IOException {
    DataOutputSerializer output = new DataOutputSerializer(64);
    ChangeSerializer.INSTANCE.serialize(first, output);
    ChangeSerializer.INSTANCE.serialize(second, output);
    DataInputDeserializer input = new DataInputDeserializer(output.getCopyOfBuffer());
    assertThat(ChangeSerializer.INSTANCE.deserialize(input)).isEqualTo(first);
    assertThat(ChangeSerializer.INSTANCE.deserialize(input)).isEqualTo(second);
    assertThat(input.available()).isZero();
  }
}
