"""instructor with LLMLab's SDK."""

import instructor
import llmlab
from calling import MESSAGES, anthropic_client, openai_client
from pydantic import BaseModel


class City(BaseModel):
    name: str
    population: int


llmlab.instrument()
openai = instructor.from_openai(openai_client())
openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, response_model=City)
anthropic = instructor.from_anthropic(anthropic_client())
anthropic.messages.create(model="claude-sonnet-4-5", max_tokens=300, messages=MESSAGES, response_model=City)
