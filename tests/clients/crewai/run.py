"""CrewAI with OpenInference or OpenLLMetry.

run.py openinference|openllmetry
"""

import os
import sys

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "OPENAI_API_KEY": "sk-proj-local"}

from calling import QUESTION, VENDOR, tracer_provider
from crewai import LLM, Agent, Crew, Task

provider = tracer_provider()
if sys.argv[1] == "openinference":
    from openinference.instrumentation.crewai import CrewAIInstrumentor
else:
    from opentelemetry.instrumentation.crewai import CrewAIInstrumentor
CrewAIInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)

model = LLM(model="openai/gpt-4o", base_url=f"{VENDOR}/v1", api_key="sk-proj-local", max_retries=0)
agent = Agent(role="guide", goal="Answer.", backstory="A guide.", llm=model)
task = Task(description=QUESTION, expected_output="A city.", agent=agent)
Crew(agents=[agent], tasks=[task]).kickoff()
provider.shutdown()
